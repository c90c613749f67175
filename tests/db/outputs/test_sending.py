"""Claims, leases and outcomes of outputs, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier

import pytest

from db.core.session import Sessions
from db.outputs.sending import RETRIES, ClaimedOutput, OutputLostError, SendingRepository, Sent
from db.spec.outputs.targets import HubOutput
from db.tables.outputs import OutputState
from tests.db.outputs.rows import HUB, SERVER, claim, claimed, events, outputs, shift, succeed
from tests.factories import make_problem

PROBLEM = make_problem(code="output_unreachable")


def postpone(sessions: Sessions, held: ClaimedOutput, wanted: timedelta | None = None) -> None:
    with sessions.begin() as session:
        SendingRepository(session).postpone(held, PROBLEM, wanted, lambda: 0.5)


def test_an_output_is_claimed_once_with_all_that_is_needed_to_send_it(sessions: Sessions) -> None:
    job = succeed(sessions, HUB, name="nightly")
    with sessions() as session:
        assert SendingRepository(session).is_due()
    held = claimed(sessions)
    assert (held.job_id, held.index, held.attempt, held.failures) == (job.id, 0, 1, 0)
    assert isinstance(held.target, HubOutput)
    assert [one.name for one in held.artifacts] == ["model.safetensors", "report.json"]
    assert (held.name, held.spec["model"], held.result) == (
        "nightly",
        "org/model",
        {"sparsity": 0.5},
    )
    assert claim(sessions) is None
    with sessions() as session:
        assert not SendingRepository(session).is_due()
    assert [one.kind for one in events(sessions, job)] == ["output_running"]


def test_concurrent_claims_get_different_outputs(sessions: Sessions) -> None:
    job = succeed(sessions, HUB, SERVER)
    barrier = Barrier(4)

    def race(_: int) -> ClaimedOutput | None:
        barrier.wait()
        with suppress(OutputLostError):
            return claim(sessions)
        return None

    with ThreadPoolExecutor(4) as pool:
        found = [one for one in pool.map(race, range(4)) if one is not None]
    while (one := claim(sessions)) is not None:
        found.append(one)
    assert sorted(one.index for one in found) == [0, 1]
    assert {one.attempts for one in outputs(sessions, job)} == {1}


def test_progress_renews_the_lease_and_an_event_shows_it(sessions: Sessions) -> None:
    job = succeed(sessions)
    held = claimed(sessions)
    shift(sessions, "lease_until", 1)
    with sessions.begin() as session:
        SendingRepository(session).renew(held, Sent(100, 0))
        SendingRepository(session).report(held, Sent(500, 1))
    (output,) = outputs(sessions, job)
    assert (output.bytes_sent, output.files_sent) == (500, 1)
    assert output.lease_until is not None
    assert (output.lease_until - output.noted_at).total_seconds() > 50
    data = events(sessions, job)[-1].data
    assert (data["bytes_sent"], data["bytes_total"], data["target"]) == (
        500,
        1000,
        "hub:org/name@main",
    )


def test_a_sent_output_has_an_address_and_no_lease(sessions: Sessions) -> None:
    job = succeed(sessions)
    held = claimed(sessions)
    with sessions.begin() as session:
        SendingRepository(session).succeed(held, "https://hub/org/name/commit/1")
    (output,) = outputs(sessions, job)
    assert (output.state, output.url) == (OutputState.succeeded, "https://hub/org/name/commit/1")
    assert (output.lease_until, output.next_attempt_at) == (None, None)
    assert (output.bytes_sent, output.files_sent) == (1000, 2)
    assert output.finished_at is not None
    assert claim(sessions) is None


def test_an_output_whose_process_was_lost_is_taken_over_and_the_old_one_writes_nothing(
    sessions: Sessions,
) -> None:
    job = succeed(sessions)
    lost = claimed(sessions)
    shift(sessions, "lease_until", -1)
    held = claimed(sessions)
    assert (held.attempt, held.failures) == (2, 1)
    writes: list[Callable[[SendingRepository], None]] = [
        lambda one: one.renew(lost, Sent(1, 0)),
        lambda one: one.report(lost, Sent(1, 0)),
        lambda one: one.succeed(lost, "https://hub"),
        lambda one: one.fail(lost, PROBLEM),
        lambda one: one.postpone(lost, PROBLEM),
        lambda one: one.release(lost),
    ]
    for write in writes:
        with pytest.raises(OutputLostError), sessions.begin() as session:
            write(SendingRepository(session))
    (output,) = outputs(sessions, job)
    assert (output.state, output.attempts, output.bytes_sent) == (OutputState.running, 2, 0)


def test_an_output_that_is_lost_again_and_again_fails(sessions: Sessions) -> None:
    job = succeed(sessions)
    for _ in range(RETRIES.attempts):
        assert claim(sessions) is not None
        shift(sessions, "lease_until", -1)
    assert claim(sessions) is None
    (output,) = outputs(sessions, job)
    assert (output.state, (output.error or {})["code"]) == (
        OutputState.failed,
        "output_interrupted",
    )


def test_failures_are_retried_with_growing_delays_and_then_fail(sessions: Sessions) -> None:
    job = succeed(sessions)
    for failures, delay in enumerate(RETRIES.delays, 1):
        postpone(sessions, claimed(sessions))
        (output,) = outputs(sessions, job)
        assert (output.state, output.failures) == (OutputState.waiting, failures)
        assert output.next_attempt_at is not None
        waits = output.next_attempt_at - output.noted_at
        assert abs((waits - delay).total_seconds()) < 5
        assert claim(sessions) is None
        shift(sessions, "next_attempt_at", -1)
    postpone(sessions, claimed(sessions))
    (output,) = outputs(sessions, job)
    assert (output.state, (output.error or {})["code"]) == (
        OutputState.failed,
        "output_unreachable",
    )


def test_an_output_that_is_released_is_due_at_once_and_counts_no_failure(
    sessions: Sessions,
) -> None:
    job = succeed(sessions)
    held = claimed(sessions)
    with sessions.begin() as session:
        SendingRepository(session).release(held)
    assert (claimed(sessions).attempt, outputs(sessions, job)[0].failures) == (2, 0)


def test_neither_a_delay_nor_a_lease_waits_for_a_clock_that_was_set_back(
    sessions: Sessions,
) -> None:
    succeed(sessions)
    postpone(sessions, claimed(sessions), timedelta(hours=5))
    assert claim(sessions) is None
    shift(sessions, "noted_at", 3600)  # it was written an hour later than now
    assert claimed(sessions).attempt == 2
    shift(sessions, "noted_at", 3600)
    assert claimed(sessions).attempt == 3
