"""Outputs as clients see them, on both databases."""

from datetime import timedelta

import pytest

from db.core.errors import JobNotFoundError, OutputNotFoundError, OutputStateError
from db.core.retention_rules import RetentionRule, retention_plan
from db.core.session import Sessions
from db.events.event_order import order_events
from db.files.retention import FileRetention
from db.jobs.commands import JobCommands
from db.jobs.old_rows import OldRowRepository
from db.outputs.repository import OutputRepository
from db.outputs.sending import OutputLostError, SendingRepository, Sent
from db.spec.quality_gate import Gate
from db.tables.outputs import OutputState
from tests.db.outputs.rows import HUB, SERVER, claim, claimed, events, outputs, succeed

FAILED_GATE = Gate.model_validate({"min": {"sparsity": 0.9}}).model_dump(mode="json")


def cancel(sessions: Sessions, job_id: str, index: int = 0) -> None:
    with sessions.begin() as session:
        OutputRepository(session).cancel(job_id, index)


def retry(sessions: Sessions, job_id: str, index: int = 0) -> None:
    with sessions.begin() as session:
        OutputRepository(session).retry(job_id, index)


def test_a_job_that_succeeds_gets_its_outputs_in_the_same_transaction(sessions: Sessions) -> None:
    job = succeed(sessions, HUB, SERVER)
    hub, server = outputs(sessions, job)
    assert (hub.index, hub.state, hub.target["hub"]) == (0, OutputState.waiting, "org/name")
    assert (hub.files_total, hub.bytes_total) == (2, 1000)
    assert (server.files_total, server.bytes_total) == (1, 100)  # only the report
    assert events(sessions, job) == []


def test_a_failed_gate_skips_the_outputs_until_somebody_sends_them(sessions: Sessions) -> None:
    job = succeed(sessions, HUB, gate=FAILED_GATE)
    (output,) = outputs(sessions, job)
    assert (output.state, (output.error or {})["code"]) == (OutputState.skipped, "gate_failed")
    assert [one.kind for one in events(sessions, job)] == ["output_skipped"]
    assert claim(sessions) is None
    retry(sessions, job.id)
    assert claimed(sessions).job_id == job.id


def test_a_waiting_output_is_cancelled_at_once_and_can_be_sent_again(sessions: Sessions) -> None:
    job = succeed(sessions, HUB, SERVER)
    version = job.version
    cancel(sessions, job.id, 1)
    assert [one.state for one in outputs(sessions, job)] == [
        OutputState.waiting,
        OutputState.cancelled,
    ]
    retry(sessions, job.id, 1)
    assert [one.kind for one in events(sessions, job)] == ["output_cancelled", "output_waiting"]
    assert [one.data["output"] for one in events(sessions, job)] == [1, 1]
    with sessions() as session:
        assert JobCommands(session)._at(job.id, None).version == version + 2


def test_a_cancelled_output_is_lost_to_the_process_that_sends_it(sessions: Sessions) -> None:
    job = succeed(sessions)
    held = claimed(sessions)
    cancel(sessions, job.id)
    with pytest.raises(OutputLostError), sessions.begin() as session:
        SendingRepository(session).renew(held, Sent(1, 0))
    with pytest.raises(OutputLostError), sessions.begin() as session:
        SendingRepository(session).succeed(held, "https://hub/commit")
    assert outputs(sessions, job)[0].state is OutputState.cancelled


def test_actions_that_the_state_does_not_allow_are_refused(sessions: Sessions) -> None:
    job = succeed(sessions)
    with pytest.raises(OutputStateError, match="is waiting: it cannot be sent again"):
        retry(sessions, job.id)
    held = claimed(sessions)
    with sessions.begin() as session:
        SendingRepository(session).succeed(held, "https://hub/commit")
    with pytest.raises(OutputStateError, match="is succeeded: it cannot be cancelled"):
        cancel(sessions, job.id)
    with pytest.raises(OutputNotFoundError, match="has no output 7"):
        cancel(sessions, job.id, 7)
    with pytest.raises(JobNotFoundError):
        retry(sessions, "job_none")


def test_a_deleted_job_takes_its_outputs_along(sessions: Sessions) -> None:
    job = succeed(sessions)
    held = claimed(sessions)
    with sessions.begin() as session:
        JobCommands(session).delete(job.id)
    with pytest.raises(OutputLostError), sessions.begin() as session:
        SendingRepository(session).renew(held, Sent(0, 0))
    assert outputs(sessions, job) == []


def test_no_retention_rule_deletes_files_that_are_still_to_be_sent(
    sessions: Sessions,
) -> None:
    job = succeed(sessions)
    rule = RetentionRule(name="none", max_jobs=0)

    def planned() -> list[str]:
        with sessions() as session:
            retention = FileRetention(session)
            plan = retention_plan(retention.stored_jobs(), [rule], retention.time())
            return [one.job.id for one in plan]

    assert planned() == []
    cancel(sessions, job.id)
    assert planned() == [job.id]


def test_events_of_progress_are_deleted_with_the_details_of_old_jobs(sessions: Sessions) -> None:
    job = succeed(sessions)
    held = claimed(sessions)
    with sessions.begin() as session:
        SendingRepository(session).report(held, Sent(500, 1))
    assert [one.kind for one in events(sessions, job)] == ["output_running", "output_progress"]
    order_events(sessions)
    with sessions.begin() as session:
        assert OldRowRepository(session).jobs_with_details(timedelta(0)) == [job.id]
        assert OldRowRepository(session).delete_details([job.id], timedelta(0)) == 1
    assert [one.kind for one in events(sessions, job)] == ["output_running"]
