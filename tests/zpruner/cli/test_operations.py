"""Logs, workers and queues, with a small real service."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.zpruner.service import CREATED, Answer, Service, problem
from zpruner import Client, ProblemError
from zpruner.cli.commands.main import app
from zpruner.client import logs as following

LOGS = "/v1/jobs/job_1/logs"


def line(seq: int, message: str = "pruning") -> dict[str, Any]:
    line = {"id": f"1.{seq}", "attempt": 1, "seq": seq, "at": CREATED, "level": "INFO"}
    return line | {"logger": "worker.attempts.run", "message": message, "later": True}


def page(*rows: dict[str, Any]) -> Answer:
    return Answer(200, {"data": list(rows), "next_cursor": None, "has_more": False})


def job(status: str) -> Answer:
    return Answer(200, {"id": "job_1", "status": status, "created_at": CREATED})


def worker(state: str = "idle", **fields: Any) -> dict[str, Any]:
    known = {"id": "wrk_1", "name": "gpu@host", "state": state, "heartbeat_at": CREATED}
    return known | {"queues": ["gpu"], "device": "cpu"} | fields


def run(service: Service, *words: str) -> Result:
    return CliRunner(env={"ZPRUNER_URL": service.url}).invoke(app, list(words))


def test_a_log_is_followed_until_its_job_has_ended(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_EVERY_S", 0.01)
    service.prepare("/v1/jobs/job_1", job("running"), job("running"), job("succeeded"))
    service.prepare(f"{LOGS}?tail=2", page(line(1), line(2)))
    down = Answer(503, problem("not_ready", 503))
    service.prepare(f"{LOGS}?after=1.2", down, page(line(3)))
    service.prepare(f"{LOGS}?after=1.3", page())

    ids = [one.id for one in client.jobs.logs("job_1", tail=2, follow=True)]

    assert ids == ["1.1", "1.2", "1.3"]


def test_lines_that_arrive_while_a_log_is_empty_are_shown(
    service: Service, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "POLL_EVERY_S", 0.01)
    service.prepare("/v1/jobs/job_1", job("running"), job("succeeded"))
    service.prepare(f"{LOGS}?tail=1", page(), page(line(3)))
    service.prepare(LOGS, page(line(1), line(2), line(3)))

    ids = [one.id for one in client.jobs.logs("job_1", tail=1, follow=True)]

    assert ids == ["1.1", "1.2", "1.3"]


def test_a_missing_log_is_not_waited_for(service: Service, client: Client) -> None:
    service.prepare("/v1/jobs/job_1", Answer(404, problem("job_not_found", 404)))
    with pytest.raises(ProblemError, match="job_not_found"):
        list(client.jobs.logs("job_1", follow=True))


def test_the_command_line_filters_a_log(service: Service) -> None:
    service.prepare(f"{LOGS}?attempt=1&level=warning", page(line(1)))
    words = ("logs", "job_1", "--attempt", "1", "--level", "warning")
    assert run(service, *words).stdout == "2026-01-01 00:00:00 INFO worker.attempts.run: pruning\n"
    assert json.loads(run(service, *words, "--json").stdout)["id"] == "1.1"


def test_workers_are_listed_drained_and_undrained(service: Service) -> None:
    service.prepare("/v1/workers", page(worker("busy", job_id="job_1")))
    service.prepare("/v1/workers/wrk_1/drain", Answer(200, worker("draining", draining=True)))
    service.prepare("/v1/workers/wrk_1/undrain", Answer(200, worker()))
    shown = run(service, "workers").stdout
    assert all(word in shown for word in ("wrk_1", "gpu@host", "busy", "cpu", "job_1"))
    assert json.loads(run(service, "workers", "--json").stdout)[0]["queues"] == ["gpu"]
    assert run(service, "drain", "wrk_1").stdout == "draining\n"
    assert run(service, "undrain", "wrk_1").stdout == "idle\n"


def test_the_extras_of_workers_are_listed(service: Service) -> None:
    older = worker(id="wrk_2")
    service.prepare("/v1/workers", page(worker(extras={"eval": "0.4.9", "gpu": "1"}), older))
    first, second = run(service, "workers").stdout.splitlines()
    assert first.split("\t")[-1] == "eval,gpu"
    assert second.split("\t")[-1] == ""


def test_queues_are_listed(service: Service) -> None:
    queue = {"name": "gpu", "depth": 3, "running": 1, "workers": 2, "oldest_age_seconds": 61.2}
    service.prepare("/v1/queues", page(queue | {"devices": ["cpu"]}))
    shown = run(service, "queues").stdout
    assert shown == "gpu\t3\t1\t2\t61 s\tcpu\n"
    assert json.loads(run(service, "queues", "--json").stdout)[0]["depth"] == 3


def test_submit_sends_queue_and_priority(service: Service) -> None:
    service.prepare("/v1/jobs", Answer(201, json.loads(job("queued").body)))
    words = ("submit", "org/model", "--sparsity", "0.5", "--dataset", "c4")
    assert run(service, *words, "--queue", "big", "--priority", "5").exit_code == 0
    sent = json.loads(service.bodies[0])
    assert (sent["queue"], sent["priority"]) == ("big", 5)
