"""The Host header in every mode of authentication."""

import re

import pytest
import yaml
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from db.tables.access import AccessScope
from tests.api.requests import bearer
from tests.compose import SERVICES
from tests.factories import make_key
from tests.fakes import ListQueue

MODES = ("auto", "keys", "none")
JOB = {"model": "local:m", "sparsity": 0.5, "dataset": "c4"}


@pytest.fixture(params=MODES)
def client(request: pytest.FixtureRequest, settings: ApiSettings, queue: ListQueue) -> TestClient:
    app = create_app(settings.model_copy(update={"auth": request.param}), queue)
    return TestClient(app, base_url="http://127.0.0.1")


@pytest.mark.parametrize("host", ["evil.example", "192.168.1.5:8000", "[::1", "", "localhost.evil"])
def test_another_host_is_refused_in_every_mode(client: TestClient, host: str) -> None:
    for path in ("/", "/healthz", "/openapi.json", "/v1/me"):
        response = client.get(path, headers={"host": host})
        assert (response.status_code, response.json()["code"]) == (421, "host_not_allowed")
        assert repr(host) in response.json()["detail"]
        assert "ZPRUNER_ALLOWED_HOSTS" in response.json()["detail"]


def test_a_rebound_name_cannot_create_a_key(client: TestClient, sessions: Sessions) -> None:
    _, written = make_key(sessions, AccessScope.admin)
    rebound = {"host": "evil.example", "origin": "http://evil.example"}
    made = client.post(
        "/v1/keys", json={"name": "mine", "scopes": ["admin"]}, headers=rebound | bearer(written)
    )
    assert (made.status_code, made.json()["code"]) == (421, "host_not_allowed")


def test_two_host_headers_are_refused(client: TestClient) -> None:
    response = client.get("/healthz", headers=[("host", "localhost"), ("host", "evil.example")])
    assert response.status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:80", "[::1]:8000"])
def test_loopback_hosts_are_accepted_in_every_mode(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9999"])
def test_another_origin_cannot_change_anything_in_any_mode(
    client: TestClient, method: str, origin: str
) -> None:
    for path in ("/v1/jobs", "/v1/keys", "/v1/hooks/trg_" + "0" * 32):
        response = client.request(method, path, json=JOB, headers={"origin": origin})
        assert (response.status_code, response.json()["code"]) == (403, "cross_origin")


@pytest.mark.parametrize(
    ("allowed", "host", "status"),
    [
        ("prune.example,api", "prune.example:443", 200),
        ("prune.example,api", "API", 200),
        ("prune.example", "evil.prune.example", 421),
        ("*", "anything.example", 200),
        ("", "prune.example", 421),
    ],
)
def test_hosts_in_the_setting_are_accepted(
    settings: ApiSettings, queue: ListQueue, allowed: str, host: str, status: int
) -> None:
    fields = {"_env_file": None, "allowed_hosts": allowed, "data_dir": settings.data_dir}
    app = create_app(ApiSettings.model_validate(fields), queue)
    response = TestClient(app, base_url="http://127.0.0.1").get("/healthz", headers={"host": host})
    assert response.status_code == status


@pytest.mark.parametrize("address", ["10.0.0.5", "[fd00::5]"])
def test_the_address_that_a_request_arrives_at_is_accepted(
    settings: ApiSettings, queue: ListQueue, address: str
) -> None:
    wide = settings.model_copy(update={"host": "0.0.0.0", "auth": "none"})
    client = TestClient(create_app(wide, queue), base_url=f"http://{address}")
    assert client.get("/healthz").status_code == 200
    assert client.get("/healthz", headers={"host": "10.0.0.6"}).status_code == 421


@pytest.mark.parametrize("written", ["https://prune.example", "prune.example:443", "a b", "a/b"])
def test_an_invalid_setting_says_how_to_write_it(written: str) -> None:
    with pytest.raises(ValueError, match="without scheme, port and path"):
        ApiSettings.model_validate({"_env_file": None, "allowed_hosts": written})


def test_the_health_check_of_compose_is_accepted(settings: ApiSettings, queue: ListQueue) -> None:
    (url,) = re.findall(r"http://[\w.:]+/\w+", yaml.dump(SERVICES["api"]["healthcheck"]["test"]))
    settings = settings.model_copy(update={"host": "0.0.0.0", "auth": "none"})
    assert (
        TestClient(create_app(settings, queue), base_url="http://172.18.0.4")
        .get("/healthz", headers={"host": url.split("/")[2]})
        .is_success
    )
