"""Who answers estimates: one process, started when somebody asks, ended when it hangs."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository
from db.startup import fork_requests
from db.tables.jobs import Estimate
from tests.factories import make_spec
from worker.control.estimator_process import EstimatorProcess
from worker.pool.forked_program import STARTED, ForkedProgram

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


@pytest.fixture
def estimator() -> Iterator[EstimatorProcess]:
    with EstimatorProcess(spawned=SLEEPER) as estimator:
        yield estimator


def ask(sessions: Sessions, sparsity: float = 0.5) -> str:
    with sessions.begin() as session:
        return EstimateRepository(session).request(make_spec(sparsity=sparsity)).id


def test_no_process_is_started_without_a_request(
    estimator: EstimatorProcess, sessions: Sessions
) -> None:
    estimator.supervise(sessions)
    assert estimator.process is None


def test_one_process_is_started_for_any_number_of_requests(
    estimator: EstimatorProcess, sessions: Sessions
) -> None:
    ask(sessions)
    estimator.supervise(sessions)
    first = estimator.process
    ask(sessions, 0.6)
    estimator.supervise(sessions)
    assert estimator.process is first
    assert first is not None
    assert first.poll() is None


def test_the_process_leads_a_group_in_the_session_in_which_its_niceness_counts(
    estimator: EstimatorProcess, sessions: Sessions
) -> None:
    ask(sessions)
    estimator.supervise(sessions)
    assert isinstance(estimator.process, subprocess.Popen)
    pid = estimator.process.pid
    assert (os.getsid(pid), os.getpgid(pid)) == (os.getsid(0), pid)


def test_an_ended_process_is_started_again(estimator: EstimatorProcess, sessions: Sessions) -> None:
    ask(sessions)
    estimator.supervise(sessions)
    first = estimator.process
    assert isinstance(first, subprocess.Popen)
    first.kill()
    first.wait()
    estimator.supervise(sessions)
    assert estimator.process is not first
    assert estimator.process is not None
    assert estimator.process.poll() is None


def test_a_hanging_process_is_killed_and_its_estimate_fails(
    estimator: EstimatorProcess, sessions: Sessions
) -> None:
    estimate_id = ask(sessions)
    estimator.supervise(sessions)
    hanging = estimator.process
    assert hanging is not None
    with sessions.begin() as session:
        EstimateRepository(session).claim_next()
        session.execute(update(Estimate).values(started_at=now(-timedelta(minutes=2))))

    estimator.supervise(sessions)

    assert hanging.poll() is not None
    assert estimator.process is None
    with sessions() as session:
        error = EstimateRepository(session).get(estimate_id).error
    assert error is not None
    assert error["code"] == "estimate_overdue"


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a parent adopt")


def answer(requests: socket.socket, message: bytes) -> bytes:
    """Answer a request like a process that ends at once; return the text of the request."""
    text, (owner, status), _, _ = socket.recv_fds(requests, 256, 2)
    os.write(status, message)
    os.close(owner)
    os.close(status)
    return text


@on_linux
def test_the_process_is_forked_by_the_worker_beside_it(sessions: Sessions) -> None:
    ask(sessions)
    with fork_requests.connected() as (ours, theirs), EstimatorProcess(ours, SLEEPER) as estimator:
        for _ in range(2):
            estimator.supervise(sessions)
            assert isinstance(estimator.process, ForkedProgram)
            assert answer(theirs, STARTED) == b"worker.estimates.estimator"


@on_linux
def test_a_process_that_the_worker_does_not_fork_is_spawned_once(sessions: Sessions) -> None:
    ask(sessions)
    with fork_requests.connected() as (ours, theirs), EstimatorProcess(ours, SLEEPER) as estimator:
        estimator.supervise(sessions)
        answer(theirs, b"")
        estimator.supervise(sessions)
        assert isinstance(estimator.process, subprocess.Popen)
        estimator.kill()
        estimator.supervise(sessions)
        assert isinstance(estimator.process, ForkedProgram)


@on_linux
def test_the_process_is_spawned_if_no_worker_can_be_asked(sessions: Sessions) -> None:
    ask(sessions)
    with fork_requests.connected() as (ours, theirs), EstimatorProcess(ours, SLEEPER) as estimator:
        theirs.close()
        estimator.supervise(sessions)
        assert isinstance(estimator.process, subprocess.Popen)
