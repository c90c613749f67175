"""Sending to a hub: one commit with the right bytes, whatever happens on the way."""

import gzip
import threading
from typing import Any

import pytest

from db.tables.outputs import OutputState
from tests.hub_uploads import WritableHub
from tests.proxy import Proxy
from tests.waiting import DEADLINE_S, eventually
from tests.worker.outputs.sending import FILES, SECRET, WEIGHTS, Sending, checksums
from worker.outputs import attempt
from worker.outputs.hub import limit_responses

# By huggingface_hub, about its own use of its HTTP library.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")
TARGET = {"hub": "org/pruned", "secret": "hf"}
SENT = FILES | {"SHA256SUMS": checksums(FILES)}
UPLOAD = r"^/lfs/"


@pytest.fixture(autouse=True)
def token(hub: WritableHub, sending: Sending, hub_proxy: Proxy) -> None:
    hub.token = SECRET
    sending.set_secret("hf", SECRET)


def files(hub: WritableHub, name: str = "org/pruned") -> dict[str, bytes]:
    found = dict(hub.models[name].files)
    del found[".gitattributes"]
    return found


def test_a_repository_is_created_and_gets_all_files_in_one_commit(
    hub: WritableHub, hub_proxy: Proxy, sending: Sending
) -> None:
    job = sending.finish_job(TARGET)
    sending.send()

    output, repo = sending.output(job), hub.models["org/pruned"]
    assert (output.state, output.error) == (OutputState.succeeded, None)
    assert files(hub) == SENT
    assert repo.token == SECRET  # it is private
    assert [one.message for one in hub.commits["org/pruned"]] == [f"Z-Pruner job {job.id}"]
    assert output.url == f"{hub_proxy.url}/org/pruned/commit/{repo.sha}"
    assert (output.bytes_sent, output.files_sent) == (output.bytes_total, output.files_total)
    assert (output.files_total, output.bytes_total) == (5, sum(map(len, SENT.values())))
    assert hub_proxy.count("PUT", UPLOAD) == 4  # the parts of the weights
    assert SECRET not in sending.rows()


def test_a_response_that_would_fill_the_memory_is_final(hub_proxy: Proxy, sending: Sending) -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    hub_proxy.add("GET", "/api/models/org/pruned", 200, body=bomb, headers=headers)
    job = sending.finish_job(TARGET)
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, "output_refused")


def test_a_public_repository_and_another_branch_are_created_on_request(
    hub: WritableHub, sending: Sending
) -> None:
    sending.finish_job(TARGET | {"private": False, "revision": "pruned"})
    sending.send()
    repo = hub.models["org/pruned"]
    assert (repo.token, repo.branches) == (None, ("main", "pruned"))


def test_an_existing_repository_keeps_its_other_files_but_not_its_other_weights(
    hub: WritableHub, sending: Sending
) -> None:
    old = {"LICENSE": b"ours", "model-00001-of-00002.safetensors": b"old", "config.json": b"old"}
    hub.add_model("org/pruned", old | {"model.safetensors.index.json": b"old"}, token=SECRET)
    sending.finish_job(TARGET)
    sending.send()
    assert hub.models["org/pruned"].files == SENT | {"LICENSE": b"ours"}
    (commit,) = hub.commits["org/pruned"]
    stale = ("model-00001-of-00002.safetensors", "model.safetensors.index.json")
    assert commit.deleted == stale


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "output_denied"), (404, "output_target_missing"), (507, "output_full")],
)
def test_a_refusal_is_final_until_somebody_sends_the_output_again(
    hub: WritableHub, hub_proxy: Proxy, sending: Sending, status: int, code: str
) -> None:
    hub_proxy.add("PUT", UPLOAD, status, body=f"no, {SECRET}".encode())
    job = sending.finish_job(TARGET)
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, code)
    assert "org/pruned" not in hub.commits
    assert f"status {status}" in sending.output(job).error["detail"]  # type: ignore[index] # it failed
    sending.send_again()
    assert sending.output(job).attempts == 1

    sending.retry(job)
    sending.send()
    assert sending.outcome(job) == (OutputState.succeeded, None)
    assert (files(hub), len(hub.commits["org/pruned"])) == (SENT, 1)
    assert SECRET not in sending.rows()


@pytest.mark.parametrize("options", [{"status": 500}, {}, {"is_late": True}])
def test_a_failure_while_committing_is_retried_and_makes_no_second_commit(
    hub: WritableHub, hub_proxy: Proxy, sending: Sending, options: dict[str, Any]
) -> None:
    hub_proxy.add("POST", "/commit/", **options)
    job = sending.finish_job(TARGET)
    sending.send()
    assert sending.outcome(job) == (OutputState.waiting, "output_unreachable")
    uploads = hub_proxy.count("PUT", UPLOAD)
    sending.send_again()
    assert sending.outcome(job) == (OutputState.succeeded, None)
    assert (files(hub), len(hub.commits["org/pruned"])) == (SENT, 1)
    assert hub_proxy.count("PUT", UPLOAD) == uploads  # no file was sent twice


def test_a_connection_cut_in_mid_upload_is_repeated_within_the_attempt(
    hub: WritableHub, hub_proxy: Proxy, sending: Sending
) -> None:
    hub_proxy.add("PUT", UPLOAD, after_bytes=1000)
    job = sending.finish_job(TARGET)
    sending.send()
    assert sending.outcome(job) == (OutputState.succeeded, None)
    assert (files(hub), len(hub.commits["org/pruned"])) == (SENT, 1)


def test_a_hub_that_does_not_respond_in_time_is_tried_again_later(
    hub_proxy: Proxy, sending: Sending
) -> None:
    limit_responses(1.0)
    released = threading.Event()
    hub_proxy.add("POST", "/api/repos/create", before=lambda: released.wait(DEADLINE_S))
    job = sending.finish_job(TARGET)
    sending.send()
    released.set()
    assert sending.outcome(job) == (OutputState.waiting, "output_unreachable")
    assert "Timeout" in sending.output(job).error["detail"]  # type: ignore[index] # it failed


def test_a_target_that_is_busy_decides_when_it_is_tried_again(
    hub_proxy: Proxy, sending: Sending
) -> None:
    hub_proxy.add("POST", "/commit/", 429, headers={"Retry-After": "1800"})
    job = sending.finish_job(TARGET)
    sending.send()
    output = sending.output(job)
    assert output.next_attempt_at is not None
    assert 1790 < (output.next_attempt_at - output.noted_at).total_seconds() < 1810


def test_a_commit_of_somebody_else_in_between_is_not_overwritten(
    hub: WritableHub, hub_proxy: Proxy, sending: Sending
) -> None:
    hub.add_model("org/pruned", {"NOTES": b"old"}, token=SECRET)

    def change() -> None:
        hub.models["org/pruned"].files = {"NOTES": b"new"}

    hub_proxy.add("POST", "/preupload/", 503, headers={"Retry-After": "0"}, before=change)
    job = sending.finish_job(TARGET)
    sending.send()
    assert sending.outcome(job) == (OutputState.waiting, "output_unreachable")
    sending.send_again()
    assert hub.models["org/pruned"].files == SENT | {"NOTES": b"new"}


def test_a_file_that_changed_on_the_disk_is_not_sent(hub: WritableHub, sending: Sending) -> None:
    job = sending.finish_job(TARGET)
    damaged = next(sending.settings.artifact_dir.rglob("model.safetensors"))
    damaged.write_bytes(WEIGHTS[:-1] + b"?")
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, "artifact_damaged")
    assert (hub.objects, hub.commits) == ({}, {})


def test_a_secret_that_was_deleted_fails_the_output(sending: Sending) -> None:
    job = sending.finish_job(TARGET | {"secret": "none"})
    sending.send()
    assert sending.outcome(job) == (OutputState.failed, "secret_not_found")


def test_a_cancel_stops_an_upload_before_the_commit(
    hub: WritableHub, hub_proxy: Proxy, sending: Sending
) -> None:
    job = sending.finish_job(TARGET)
    hub_proxy.add("POST", "/preupload/", 503, before=lambda: sending.cancel(job))
    sending.send()
    assert sending.outcome(job) == (OutputState.cancelled, None)
    assert "org/pruned" not in hub.commits


def test_a_slow_upload_keeps_its_lease_and_delays_no_other_output(
    hub: WritableHub, hub_proxy: Proxy, sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "RENEW_EVERY_S", 0.2)
    released = threading.Event()
    hub_proxy.add("POST", "/org/slow/preupload/", 503, before=lambda: released.wait(DEADLINE_S))
    slow = sending.finish_job(TARGET | {"hub": "org/slow"})
    dispatcher = sending.dispatcher(every_s=0.05)
    dispatcher.start()
    eventually(lambda: hub_proxy.count("POST", "/org/slow/preupload/") == 1)
    quick = sending.finish_job(TARGET)
    eventually(lambda: sending.output(quick).state is OutputState.succeeded)
    first = sending.output(slow).lease_until
    assert first is not None
    eventually(lambda: (sending.output(slow).lease_until or first) > first)
    assert sending.output(slow).attempts == 1
    released.set()
    eventually(lambda: sending.output(slow).state is OutputState.succeeded)
    dispatcher.stop(10)
    assert sending.output(slow).attempts == 1


def test_a_dispatcher_that_is_stopped_returns_its_output_without_counting_a_failure(
    hub: WritableHub, hub_proxy: Proxy, sending: Sending
) -> None:
    released = threading.Event()
    hub_proxy.add("POST", "/preupload/", 503, before=lambda: released.wait(DEADLINE_S))
    job = sending.finish_job(TARGET)
    dispatcher = sending.dispatcher(every_s=0.01)
    dispatcher.start()
    eventually(lambda: hub_proxy.count("POST", "/preupload/") == 1)
    dispatcher.stop(0.1)
    released.set()
    dispatcher.wait(DEADLINE_S)
    output = sending.output(job)
    assert (output.state, output.failures) == (OutputState.waiting, 0)
    sending.send()
    assert (sending.outcome(job)[0], files(hub)) == (OutputState.succeeded, SENT)
