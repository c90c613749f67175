"""Triggers in both databases: what is kept of their calls, and that of two the same one counts."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.clock import now
from db.core.errors import TriggerNotFoundError
from db.core.session import Sessions
from db.jobs.repository import JobRepository
from db.tables.triggers import Trigger, TriggerDelivery, TriggerOutcome, TriggerSource
from db.triggers import KEPT_FOR, CallId, DuplicateCallError, TriggerRepository
from tests.api.calls import PUSH, call, create
from tests.fakes import ListQueue

REFUSED, SUBMITTED = TriggerOutcome.refused, TriggerOutcome.submitted
ONE = CallId("one")


@pytest.fixture
def trigger(sessions: Sessions) -> Trigger:
    with sessions.begin() as session:
        return TriggerRepository(session).create(
            name="on push", source=TriggerSource.github, job={"seed": 1}, filter={"": 1}, map={}
        )


@pytest.fixture
def client(tmp_path: Path, database_url: str) -> Iterator[TestClient]:
    fields = {"_env_file": None, "data_dir": tmp_path, "database_url": database_url}
    settings = ApiSettings.model_validate(fields | {"hf_endpoint": "http://127.0.0.1:9"})
    with TestClient(create_app(settings, ListQueue()), base_url="http://127.0.0.1") as client:
        yield client


def test_concurrent_duplicates_of_a_call_create_one_job(
    client: TestClient, sessions: Sessions
) -> None:
    made, at_once = create(client), 6
    start = Barrier(at_once)

    def knock(_: int) -> Any:
        start.wait()
        return call(client, made)

    with ThreadPoolExecutor(at_once) as pool:
        answers = list(pool.map(knock, range(at_once)))
    assert [one.status_code for one in answers] == [202] * at_once
    assert len({one.text for one in answers}) == 1
    assert sum("idempotency-replayed" in one.headers for one in answers) == at_once - 1
    with sessions() as session:
        assert len(JobRepository(session).page()) == 1
        assert len(TriggerRepository(session).deliveries(made["id"])) == 1


def test_concurrent_duplicates_of_a_refused_call_are_all_refused(client: TestClient) -> None:
    made = create(client)
    with ThreadPoolExecutor(4) as pool:
        body = PUSH | {"repo": {"type": "model"}}
        answers = list(pool.map(lambda _: call(client, made, body), range(4)))
    assert [one.status_code for one in answers] == [422] * 4


def test_a_final_result_stays_and_a_refusal_may_be_replaced(
    sessions: Sessions, trigger: Trigger
) -> None:
    with sessions.begin() as session:
        refused = TriggerRepository(session).record(
            trigger.id, ONE, outcome=REFUSED, problem={"status": 422}
        )
    with sessions.begin() as session:
        triggers = TriggerRepository(session)
        assert triggers.final_delivery(trigger.id, ONE) is None
        again = triggers.record(trigger.id, ONE, outcome=SUBMITTED, job_id="job_1")
        assert (again.id, again.problem, again.job_id) == (refused.id, None, "job_1")
    with pytest.raises(DuplicateCallError), sessions.begin() as session:
        TriggerRepository(session).record(trigger.id, ONE, outcome=REFUSED)
    with sessions() as session:
        kept = TriggerRepository(session).final_delivery(trigger.id, ONE)
        assert kept is not None
        assert (kept.outcome, kept.job_id) == (SUBMITTED, "job_1")
        assert TriggerRepository(session).final_delivery(trigger.id, CallId("two")) is None


def test_the_former_secret_is_valid_for_the_grace_period(
    sessions: Sessions, trigger: Trigger
) -> None:
    with sessions.begin() as session:
        triggers = TriggerRepository(session)
        rotated = triggers.rotate(trigger.id, timedelta(hours=1))
        assert triggers.find(trigger.id)[1] == [rotated.secret, trigger.secret]
        session.execute(update(Trigger).values(former_until=now(-timedelta(seconds=1))))
        assert triggers.find(trigger.id)[1] == [rotated.secret]
        assert triggers.find("trg_0") == (None, [])


def test_calls_of_a_month_ago_are_deleted(sessions: Sessions, trigger: Trigger) -> None:
    with sessions.begin() as session:
        triggers = TriggerRepository(session)
        old, recent = (
            triggers.record(trigger.id, CallId(one), outcome=SUBMITTED) for one in ("1", "2")
        )
        for row, age in ((old, timedelta(hours=1)), (recent, -timedelta(hours=1))):
            aged = update(TriggerDelivery).where(TriggerDelivery.id == row.id)
            session.execute(aged.values(created_at=now(-KEPT_FOR - age)))
        assert triggers.purge() == 1
        assert [one.id for one in triggers.deliveries(trigger.id)] == [recent.id]


def test_calls_are_deleted_with_their_trigger(sessions: Sessions, trigger: Trigger) -> None:
    with sessions.begin() as session:
        triggers = TriggerRepository(session)
        triggers.record(trigger.id, ONE, outcome=SUBMITTED)
        triggers.delete(trigger.id)
        assert triggers.deliveries(trigger.id) == []
        for verb in (triggers.get, triggers.delete):
            with pytest.raises(TriggerNotFoundError):
                verb(trigger.id)
