"""The process that sends outputs: started when one is due, restarted when it ends or freezes."""

import select
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.startup.heartbeat_monitor import HeartbeatMonitor
from tests.api.work import finish_job
from tests.factories import make_spec
from tests.waiting import DEADLINE_S, eventually
from tests.worker.outputs.sending import FILES
from worker.control import on_demand_process, outputs_process
from worker.control.outputs_process import OutputsProcess

BEATING = """
import os, time
fd = int(os.environ["SUPERVISOR_BEATS_FD"])
while True:
    os.write(fd, b".")
    time.sleep(0.05)
"""
BEATING_ONCE = BEATING.replace("time.sleep(0.05)", "time.sleep(600)")
GRACEFUL = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path(sys.argv[1]).touch(), sys.exit()))
pathlib.Path(sys.argv[1] + ".ready").touch()
time.sleep(600)
"""
BUCKET = {"s3": "s3://results/pruned", "secret": "s3"}


class Clock:
    """A clock that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def program(text: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text, *arguments)


@pytest.fixture
def sessions_with_output(sessions: Sessions, store: ArtifactStore) -> Sessions:
    finish_job(sessions, store, FILES, spec=make_spec(output=[BUCKET]))
    return sessions


@pytest.fixture
def outputs() -> Iterator[OutputsProcess]:
    with OutputsProcess(0.3, program(BEATING)) as outputs:
        yield outputs


def test_no_process_is_started_without_a_due_output(
    outputs: OutputsProcess, sessions: Sessions
) -> None:
    outputs.supervise(sessions)
    assert outputs.process is None


def test_one_process_is_started_and_runs_while_it_sends_heartbeats(
    outputs: OutputsProcess, sessions_with_output: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(
        on_demand_process, "HeartbeatMonitor", partial(HeartbeatMonitor, clock=clock)
    )
    outputs.supervise(sessions_with_output)
    first, monitor = outputs.process, outputs._monitor
    assert first is not None
    assert monitor is not None
    for _ in range(5):  # longer than a process without heartbeats may run
        assert select.select([monitor._read], [], [], DEADLINE_S)[0], "it sends no heartbeats"
        clock.seconds += 0.2
        outputs.supervise(sessions_with_output)
    assert outputs.process is first
    assert first.poll() is None


def test_a_killed_process_is_replaced_at_once_and_one_that_fails_after_a_delay(
    outputs: OutputsProcess, sessions_with_output: Sessions
) -> None:
    outputs.supervise(sessions_with_output)
    first = outputs.process
    assert isinstance(first, subprocess.Popen)
    first.kill()
    first.wait()
    outputs.supervise(sessions_with_output)
    assert outputs.process not in (None, first)

    with OutputsProcess(60, program("raise SystemExit(2)")) as failing:
        failing.supervise(sessions_with_output)
        assert isinstance(failing.process, subprocess.Popen)
        failing.process.wait()
        failing.supervise(sessions_with_output)
        assert failing.process is None


def test_a_process_that_stops_sending_heartbeats_is_replaced(
    sessions_with_output: Sessions,
) -> None:
    with OutputsProcess(0.3, program(BEATING_ONCE)) as outputs:
        outputs.supervise(sessions_with_output)
        first = outputs.process
        assert first is not None

        def is_replaced() -> bool:
            outputs.supervise(sessions_with_output)
            return outputs.process is not first

        eventually(is_replaced)
        assert first.poll() is not None


def test_a_closed_process_ends_by_itself_and_is_not_started_again(
    sessions_with_output: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = tmp_path / "ended"
    monkeypatch.setattr(outputs_process, "GRACE_S", DEADLINE_S)
    outputs = OutputsProcess(60, program(GRACEFUL, str(ended)))
    outputs.supervise(sessions_with_output)
    eventually(ended.with_name("ended.ready").exists)
    outputs.close()
    assert ended.exists()
    outputs.supervise(sessions_with_output)
    assert outputs.process is None
