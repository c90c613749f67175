"""Trials, with client and command line against the real service."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

from db.core.states import JobState
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.jobs import Job
from db.tables.trials import TRIAL
from tests.api.work import finish_job
from tests.factories import make_problem
from tests.waiting import DEADLINE_S
from tests.zpruner.live import Live
from zpruner import Client, ProblemError

ANSWER = {"dense": " a time", "pruned": " a tine"}


@pytest.fixture
def job_id(live: Live) -> str:
    return finish_job(live.sessions, live.store).id


@contextmanager
def answering(live: Live, *, fails: bool = False) -> Iterator[None]:
    """Answer the next trial as a worker does, or fail it."""

    def work() -> None:
        queued = (Job.method == TRIAL, Job.status == JobState.queued)
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            with live.sessions() as session:
                job_id = session.scalar(select(Job.id).where(*queued))
            if job_id is not None:
                break
            time.sleep(0.05)
        assert job_id is not None
        with live.sessions.begin() as session:
            ClaimRepository(session).claim(job_id, "gpu@test")
            leases = LeaseRepository(session)
            if fails:
                leases.fail(job_id, 1, make_problem(detail="it is too long"))
            else:
                leases.succeed(job_id, 1, ANSWER, [])

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def test_both_answers_are_printed_after_the_prompt(live: Live, job_id: str) -> None:
    with answering(live):
        done = live.run("try", job_id, "Once upon", "--max-tokens", "8", "--seed", "2")
    assert (done.exit_code, done.stdout) == (
        0,
        "dense: Once upon a time\npruned: Once upon a tine\n",
    )
    with Client(live.url) as client:
        [trial] = client.jobs.trials(job_id)
    assert (trial.prompt, trial.max_tokens, trial.seed) == ("Once upon", 8, 2)
    assert trial.id in done.stderr
    with answering(live):
        shown: dict[str, Any] = json.loads(live.run("try", job_id, "Once", "--json").stdout)
    assert (shown["answer"], shown["max_tokens"], shown["seed"]) == (ANSWER, 64, None)


def test_a_trial_that_failed_is_explained(live: Live, job_id: str) -> None:
    with answering(live, fails=True):
        done = live.run("try", job_id, "Once upon")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "not answered: it is too long" in done.stderr


def test_a_trial_that_takes_too_long_goes_on_and_can_be_cancelled(live: Live, job_id: str) -> None:
    done = live.run("try", job_id, "Once upon", "--timeout", "0.2")
    assert done.exit_code == 124
    trial_id = done.stderr.split()[0]
    assert live.run("cancel", trial_id).stdout == "cancelled\n"
    with Client(live.url) as client:
        trial = client.jobs.trial(job_id, trial_id)
    assert (trial.status, trial.answer) == ("cancelled", None)


def test_a_refused_trial_has_the_exit_code_of_its_problem(live: Live, job_id: str) -> None:
    assert live.run("try", "job_" + "0" * 32, "Once").exit_code == 7
    assert live.run("try", job_id, "").exit_code == 2
    with Client(live.url) as client:
        ids = [
            client.jobs.create_trial(job_id, "Once", idempotency_key="same").id for _ in range(2)
        ]
        assert len(set(ids)) == 1
        for _ in range(3):
            client.jobs.create_trial(job_id, "Once")
        with pytest.raises(ProblemError, match="4 trials have not ended"):
            client.jobs.create_trial(job_id, "Once")
        for one in client.jobs.trials(job_id):
            client.jobs.cancel(one.id)
