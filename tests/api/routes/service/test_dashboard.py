import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.routes.service import dashboard

needs_build = pytest.mark.skipif(
    not (dashboard.DIST / "index.html").exists(),
    reason="the dashboard is not built: make dashboard",
)
ASSET = re.compile(r'(?:src|href)="(/[^"]+)"')


@pytest.fixture
def unbuilt(tmp_path: Path) -> Iterator[Path]:
    """A checkout in which the page has not been built."""
    kept, dashboard.DIST = dashboard.DIST, tmp_path
    yield tmp_path
    dashboard.DIST = kept


@needs_build
@pytest.mark.parametrize("path", ["/", "/new", "/compare", "/jobs/job_1", "/jobs/job_1/rerun"])
def test_every_address_of_the_page_answers_with_the_page(client: TestClient, path: str) -> None:
    page = client.get(path)

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert '<div id="root">' in page.text


@needs_build
def test_a_person_gets_a_page_for_a_wrong_address_and_a_program_a_problem(
    client: TestClient,
) -> None:
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    page = client.get("/no/such/page", headers=browser)
    assert page.status_code == 404
    assert '<div id="root">' in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; ")
    for path, headers in (("/no/such/page", {}), ("/v1/none", browser)):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@needs_build
def test_the_page_may_run_our_scripts_and_ask_this_server_only(client: TestClient) -> None:
    page = client.get("/")

    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert re.findall(r"<script(?![^>]*src=)", page.text) == []
    assert "<style" not in page.text


@needs_build
def test_what_the_page_loads_is_here_and_what_is_hashed_is_kept_for_good(
    client: TestClient,
) -> None:
    loaded = ASSET.findall(client.get("/").text)
    assert {Path(path).suffix for path in loaded if "/assets/" in path} == {".js", ".css"}
    for path in loaded:
        answer = client.get(path)
        assert answer.status_code == 200
        immutable = "max-age=31536000, immutable" in answer.headers["cache-control"]
        assert immutable == path.startswith("/assets/")


@needs_build
def test_the_page_is_small_and_sent_small(client: TestClient) -> None:
    loaded = [path for path in ASSET.findall(client.get("/").text) if "/assets/" in path]
    sizes = [int(client.get(path).headers["content-length"]) for path in loaded]
    for path in loaded:
        small = client.get(path, headers={"accept-encoding": "gzip"})
        plain = client.get(path, headers={"accept-encoding": "identity"})
        assert small.headers["content-encoding"] == "gzip"
        assert small.headers["vary"] == "accept-encoding"
        assert small.content == plain.content  # the client has unpacked it
        limit = max(200, len(plain.content) / 2)
        assert int(small.headers["content-length"]) < limit
    assert sum(sizes) < 100_000  # the list of jobs; other pages load their code when opened
    assert sum(file.stat().st_size for file in dashboard.DIST.glob("assets/*.js.gz")) < 180_000


@needs_build
def test_an_unchanged_page_is_not_sent_again(client: TestClient) -> None:
    etag = client.get("/").headers["etag"]

    again = client.get("/", headers={"if-none-match": etag})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "..%2Findex.html", "%2e%2e", "x.map", "a.js.gz"])
def test_no_other_file_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/assets/{name}").status_code == 404


def test_an_unbuilt_page_says_how_to_build_it(client: TestClient, unbuilt: Path) -> None:
    answer = client.get("/")

    assert answer.status_code == 503
    assert answer.json()["code"] == "dashboard_not_built"
    assert "make dashboard" in answer.json()["hint"]
    assert client.get("/v1/jobs").status_code == 200


def test_an_address_that_nobody_knows_is_still_a_problem_document(client: TestClient) -> None:
    assert client.get("/nothing").json()["code"] == "not_found"
