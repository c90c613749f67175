"""Outputs over HTTP: what is refused at submit, what a job shows, cancel and retry."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.outputs.sending import ClaimedOutput, SendingRepository
from tests.api.routes.jobs.submissions import SMALLEST
from tests.api.work import finish
from tests.factories import make_job, make_key, make_problem, make_spec
from tests.fakes import ListQueue

HUB = {"hub": "org/name", "secret": "hf"}
BUCKET = {"s3": "s3://bucket/models", "secret": "hf"}
SERVER = {"mlflow": "https://mlflow.example", "experiment": "pruning"}
VALUE = "canary.of-the-outputs"


@pytest.fixture
def client(settings: ApiSettings, queue: ListQueue) -> Any:
    allowed = ("https://mlflow.example", "s3://bucket/models")
    app = create_app(settings.model_copy(update={"output_urls": allowed}), queue)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.put("/v1/secrets/hf", json={"value": VALUE})
        yield client


def submit(client: TestClient, *targets: object, **fields: Any) -> Any:
    return client.post("/v1/jobs", json=SMALLEST | {"output": list(targets)} | fields)


def test_allowed_targets_are_accepted_and_shown(client: TestClient) -> None:
    created = submit(client, HUB, BUCKET, SERVER)
    assert created.status_code == 201, created.text
    body = created.json()
    assert [one.get("hub") or one.get("s3") or one["mlflow"] for one in body["spec"]["output"]] == [
        "org/name",
        "s3://bucket/models",
        "https://mlflow.example",
    ]
    assert body["outputs"] == []
    listed = client.get(body["links"]["outputs"])
    assert (listed.status_code, listed.json()["data"]) == (200, [])
    assert VALUE not in created.text


@pytest.mark.parametrize("status", ["failed", "cancelled", "expired"])
def test_the_outputs_of_a_job_without_result_say_so_until_it_is_retried(
    status: str, client: TestClient, sessions: Sessions
) -> None:
    job = make_job(sessions, make_spec(output=[HUB, BUCKET]), status=JobState(status))
    for path in (f"/v1/jobs/{job.id}", f"/v1/jobs/{job.id}/outputs"):
        body = client.get(path).json()
        outputs = body.get("outputs", body.get("data"))
        assert [(one["state"], one["actions"]) for one in outputs] == [("skipped", [])] * 2
        assert outputs[0]["target"]["hub"] == "org/name"
        assert f"is {status}, so there was no result to send" in outputs[0]["error"]["detail"]
    assert client.post(f"/v1/jobs/{job.id}/retry").status_code == 200
    assert client.get(f"/v1/jobs/{job.id}").json()["outputs"] == []


@pytest.mark.parametrize(
    ("target", "pointer", "code", "words"),
    [
        (HUB | {"secret": "none"}, "/output/0/secret", "secret_not_found", "'none'"),
        (BUCKET | {"s3": "s3://other"}, "/output/0/s3", "output_not_allowed", "s3://other"),
        (
            BUCKET | {"endpoint": "https://minio.example"},
            "/output/0/s3",
            "output_not_allowed",
            "ZPRUNER_OUTPUT_URLS",
        ),
        (
            SERVER | {"mlflow": "http://169.254.169.254"},
            "/output/0/mlflow",
            "output_not_allowed",
            "https://mlflow.example",
        ),
        (HUB | {"hub": "name"}, "/output/0/hub", "output_address", "such as org/name"),
        ({"ftp": "x"}, "/output/0", "output", "none of hub, s3 and mlflow"),
    ],
)
def test_a_target_that_cannot_be_used_is_refused_with_field_value_and_remedy(
    client: TestClient, target: dict[str, Any], pointer: str, code: str, words: str
) -> None:
    refused = submit(client, target)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    assert words in error["detail"]
    assert client.get("/v1/jobs").json()["data"] == []


def test_a_caller_cannot_use_the_secret_of_another_key(
    guarded: TestClient, sessions: Sessions
) -> None:
    tokens = [make_key(sessions)[1] for _ in range(2)]
    ours, theirs = ({"authorization": f"Bearer {token}"} for token in tokens)
    guarded.put("/v1/secrets/hf", json={"value": VALUE}, headers=ours)
    job = SMALLEST | {"output": [HUB]}
    refused = guarded.post("/v1/jobs", json=job, headers=theirs)
    assert refused.json()["errors"][0]["code"] == "secret_not_found"
    assert guarded.post("/v1/jobs", json=job, headers=ours).status_code == 201


def test_the_jobs_of_a_sweep_cannot_share_a_repository(client: TestClient) -> None:
    sweep = {"model": SMALLEST["model"], "dataset": SMALLEST["dataset"]}
    sweep |= {"grid": {"sparsity": [0.4, 0.5]}}
    refused = client.post("/v1/sweeps", json=sweep | {"output": [HUB]})
    assert refused.json()["errors"][0]["code"] == "shared_output"
    accepted = client.post("/v1/sweeps", json=sweep | {"output": [SERVER]})
    assert accepted.status_code == 201, accepted.text


def test_a_trigger_names_its_outputs_itself_and_is_checked_when_it_is_created(
    client: TestClient,
) -> None:
    trigger = {"name": "t", "source": "generic", "job": SMALLEST | {"output": [HUB]}}
    assert client.post("/v1/triggers", json=trigger).status_code == 201
    denied = trigger | {"job": SMALLEST | {"output": [BUCKET | {"s3": "s3://other"}]}}
    refused = client.post("/v1/triggers", json=denied)
    assert refused.json()["errors"][0]["pointer"] == "/job/output/0/s3"
    mapped = trigger | {"map": {"output": "/output"}}
    assert client.post("/v1/triggers", json=mapped).status_code == 422


def test_a_rerun_is_sent_to_the_same_targets_unless_it_names_others(client: TestClient) -> None:
    job_id = submit(client, SERVER).json()["id"]
    unchanged: dict[str, Any] = {}
    for changes, count in ((unchanged, 1), ({"output": []}, 0)):
        rerun = client.post(f"/v1/jobs/{job_id}/rerun", json={"sparsity": 0.6} | changes)
        assert len(rerun.json()["spec"]["output"]) == count


@pytest.fixture
def held(sessions: Sessions, store: ArtifactStore) -> ClaimedOutput:
    """The output of a job that has succeeded, as the process that sends it has it."""
    job = make_job(sessions, make_spec(output=[HUB]))
    finish(sessions, store, job.id)
    with sessions.begin() as session:
        claimed = SendingRepository(session).claim()
    assert claimed is not None
    return claimed


@pytest.fixture
def job_id(held: ClaimedOutput) -> str:
    return held.job_id


def test_a_job_shows_its_outputs_and_each_change_is_a_new_version(
    client: TestClient, sessions: Sessions, job_id: str
) -> None:
    path = f"/v1/jobs/{job_id}"
    shown = client.get(path)
    (output,) = shown.json()["outputs"]
    assert (output["state"], output["actions"]) == ("running", ["cancel"])
    assert output["progress"]["files_total"] == 5
    assert shown.json()["status"] == "succeeded"
    cancelled = client.post(f"{path}/outputs/0/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    again = client.get(path, headers={"if-none-match": shown.headers["etag"]})
    assert (again.status_code, again.json()["outputs"][0]["state"]) == (200, "cancelled")
    assert again.json()["status"] == "succeeded"
    retried = client.post(f"{path}/outputs/0/retry").json()
    assert (retried["state"], retried["attempts"]) == ("waiting", 1)
    kinds = [one["kind"] for one in client.get(f"{path}/events").json()["data"]]
    assert kinds[-3:] == ["output_running", "output_cancelled", "output_waiting"]


def test_a_failed_output_says_why(
    client: TestClient, sessions: Sessions, held: ClaimedOutput
) -> None:
    with sessions.begin() as session:
        problem = make_problem(code="output_denied", detail="403")
        SendingRepository(session).fail(held, problem)
    (output,) = client.get(f"/v1/jobs/{held.job_id}/outputs").json()["data"]
    assert (output["state"], output["actions"]) == ("failed", ["retry"])
    assert (output["error"]["code"], output["error"]["detail"]) == ("output_denied", "403")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("outputs/1/cancel", 404, "output_not_found"),
        ("outputs/9/cancel", 422, "invalid_request"),
        ("outputs/0/retry", 409, "output_state"),
    ],
)
def test_an_impossible_action_is_refused(
    client: TestClient, job_id: str, path: str, status: int, code: str
) -> None:
    refused = client.post(f"/v1/jobs/{job_id}/{path}")
    assert (refused.status_code, refused.json()["code"]) == (status, code)
