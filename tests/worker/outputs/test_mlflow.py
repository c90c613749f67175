"""Sending to a real MLflow server: one run with all numbers, however often it is tried."""

import gzip
import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from db.tables.jobs import Job
from db.tables.outputs import OutputState
from tests.api.work import finish
from tests.factories import make_job, make_spec
from tests.proxy import Proxy, proxying
from tests.waiting import DEADLINE_S
from tests.worker.outputs.mlflow_server import Tracking, tracking
from tests.worker.outputs.sending import SECRET, Sending
from worker.outputs import mlflow

REPORT: dict[str, Any] = {
    "blocks": [
        {"index": n, "output_error": 0.1 * n, "prune_seconds": 2.0, "sparsity": 0.5}
        for n in range(150)
    ],
    "recovery": {"curve": [{"step": 0, "loss": None, "held_out_loss": 3.0}]},
    "tasks": [{"task": "boolq", "dense": {"acc": 0.7}, "pruned": {"acc": 0.6}, "items": 9}],
}
METRICS = {"pruned_perplexity": 9.5, "sparsity": 0.5, "acc": {"boolq": 0.6}, "device": "cpu"}
FILES = {"report.json": json.dumps(REPORT).encode(), "model.safetensors": bytes(1000)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    with tracking(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def proxy(server: Tracking, sending: Sending, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The way of the client to the server."""
    monkeypatch.setattr(mlflow, "TIMEOUT_S", DEADLINE_S)
    with proxying(server.url) as proxy:
        sending.allow(proxy.url)
        yield proxy


def finish_job(sending: Sending, proxy: Proxy, experiment: str, **options: Any) -> Job:
    target = {"mlflow": proxy.url, "experiment": experiment} | options
    spec = make_spec(output=[target], tasks=["boolq"])
    job = make_job(sending.sessions, spec, name="nightly")
    return finish(sending.sessions, sending.store, job.id, FILES, METRICS)


def only_run(server: Tracking, experiment: str) -> dict[str, Any]:
    (run,) = server.runs(experiment)
    return run


def test_a_job_becomes_one_run_with_parameters_metrics_curves_and_tables(
    server: Tracking, proxy: Proxy, sending: Sending
) -> None:
    job = finish_job(sending, proxy, "all")
    sending.send()
    output, run = sending.output(job), only_run(server, "all")
    assert (output.state, output.error) == (OutputState.succeeded, None)
    info, data = run["info"], run["data"]
    assert output.url == f"{proxy.url}/#/experiments/{info['experiment_id']}/runs/{info['run_id']}"
    assert (info["run_name"], info["status"]) == ("nightly", "FINISHED")
    params = {one["key"]: one["value"] for one in data["params"]}
    assert (params["model"], params["sparsity"], params["tasks"]) == (
        "org/model",
        "0.5",
        '["boolq"]',
    )
    assert "output" not in params
    values = {one["key"]: one["value"] for one in data["metrics"]}
    assert (values["pruned_perplexity"], values["acc/boolq"]) == (9.5, 0.6)
    errors = server.history(info["run_id"], "block/output_error")
    assert errors == {n: 0.1 * n for n in range(150)}
    assert server.history(info["run_id"], "recovery/held_out_loss") == {0: 3.0}
    assert server.artifact(run, "report.json") == FILES["report.json"]
    table = json.loads(server.artifact(run, "tasks.json"))
    assert table["data"] == [["boolq", "acc", 0.7, 0.6, 9]]
    assert (output.files_total, output.bytes_total) == (1, len(FILES["report.json"]))


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("runs/create", {"status": 500}),
        ("runs/create", {"is_late": True}),
        ("runs/log-batch", {}),
        ("runs/log-batch", {"is_late": True}),
        ("runs/update", {"is_late": True}),
    ],
)
def test_a_retry_completes_the_same_run_and_repeats_no_value(
    server: Tracking, proxy: Proxy, sending: Sending, path: str, options: dict[str, Any]
) -> None:
    experiment = f"{path} {options}"
    proxy.add("POST", path, **options)
    job = finish_job(sending, proxy, experiment)
    sending.send()
    assert sending.outcome(job) == (OutputState.waiting, "output_unreachable")
    sending.send_again()
    assert sending.outcome(job) == (OutputState.succeeded, None)
    run = only_run(server, experiment)
    assert run["info"]["status"] == "FINISHED"
    assert len(server.history(run["info"]["run_id"], "block/sparsity")) == 150


@pytest.mark.parametrize(("status", "code"), [(403, "output_denied"), (302, "output_refused")])
def test_a_refusal_is_final(proxy: Proxy, sending: Sending, status: int, code: str) -> None:
    proxy.add("POST", "runs/search", status, body=f"no, {SECRET}".encode())
    sending.set_secret("token", SECRET)
    job = finish_job(sending, proxy, "refused", secret="token")
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, code)
    assert SECRET not in sending.rows()


def test_a_response_that_would_fill_the_memory_is_final(proxy: Proxy, sending: Sending) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    proxy.add("POST", "runs/search", 200, body=bomb, headers={"Content-Encoding": "gzip"})
    job = finish_job(sending, proxy, "bomb")
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, "output_refused")


BASIC = "user9:pass/CANARY+7777"
ECHOES = {
    "plain": BASIC,
    "its password": BASIC.partition(":")[2],
    "the header": f"Basic {b64encode(BASIC.encode()).decode()}",
    "within another text": b64encode(f"a {BASIC} z".encode()).decode(),
    "one byte later": b64encode(f"ab {BASIC} z".encode()).decode(),
    "for URLs": f"?sent={quote(BASIC, safe='')}",
    "in hexadecimal digits": BASIC.encode().hex(),
    "in JSON": json.dumps({"sent": BASIC}).replace("/", "\\/"),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_a_server_that_quotes_the_secret_in_any_encoding_reveals_it_nowhere(
    proxy: Proxy, sending: Sending, echo: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = f"received {echo} from a proxy".encode()
    proxy.add("POST", "runs/search", 400, body=body)
    sending.set_secret("token", BASIC)
    job = finish_job(sending, proxy, "quoted", secret="token")
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, "output_refused")
    places = sending.rows() + "".join(record.getMessage() for record in caplog.records)
    assert "received" in places
    assert "from a proxy" in places
    for encoded in (BASIC[-8:], b64encode(BASIC[-9:].encode()).decode(), BASIC[-8:].encode().hex()):
        assert encoded not in places
    assert echo not in places


def test_a_slow_server_is_tried_again_later(
    proxy: Proxy, sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow, "TIMEOUT_S", 0.5)
    released = threading.Event()
    proxy.add("GET", "get-by-name", before=lambda: released.wait(DEADLINE_S))
    job = finish_job(sending, proxy, "slow")
    sending.send()
    released.set()
    assert sending.outcome(job) == (OutputState.waiting, "output_unreachable")


@pytest.mark.parametrize(
    ("value", "sent"), [("tok.en", "Bearer tok.en"), ("user:pass", "Basic dXNlcjpwYXNz")]
)
def test_the_secret_is_a_token_or_a_user_with_a_password(
    proxy: Proxy, sending: Sending, value: str, sent: str
) -> None:
    sending.set_secret("token", value)
    job = finish_job(sending, proxy, "secret", secret="token")
    sending.send()
    assert sending.output(job).state is OutputState.succeeded
    assert {one["authorization"] for one in proxy.headers} == {sent}
