from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.file_store import FileStore
from db.tables.artifacts import Artifact
from tests.api.work import finish_job
from tests.worker.control.scrubbing import MIB, WEEK, Clock, age, scrubbing
from worker.control.scrub import MAX_CALL_INTERVAL_S


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return FileStore(tmp_path / "artifacts")


def test_each_file_is_read_once_a_week_and_no_faster_than_allowed(
    sessions: Sessions, store: ArtifactStore
) -> None:
    clock = Clock()
    finish_job(sessions, store, {"a": bytes(3 * MIB), "b": bytes(2 * MIB)})
    with scrubbing(sessions, store, clock) as scrub:
        assert clock.after(60, scrub.step) == 0, "it was whole when it was published"
        age(sessions, 8)
        ended = [clock.after(61 if second == 0 else 1, scrub.step) for second in range(8)]
        assert sum(ended) == 3  # with the checksums
        assert sum(ended[:3]) < 3, "four seconds are not enough for five MiB"
        assert clock.after(61, scrub.step) == 0, "none is due again"
    with sessions() as session:
        assert ArtifactRepository(session).next_unchecked(WEEK) is None


def test_a_late_call_reads_no_more_than_two_seconds_allow(
    sessions: Sessions, store: ArtifactStore
) -> None:
    clock = Clock()
    finish_job(sessions, store, {name: bytes(MIB) for name in "abcdef"})
    age(sessions, 8)
    with scrubbing(sessions, store, clock) as scrub:
        assert clock.after(3600, scrub.step) <= MAX_CALL_INTERVAL_S + 1


def test_progress_is_kept_when_the_process_ends(sessions: Sessions, store: ArtifactStore) -> None:
    clock = Clock()
    finish_job(sessions, store, {name: bytes(MIB) for name in "abcdef"})
    age(sessions, 8)
    ended = 0
    for _ in range(8):
        with scrubbing(sessions, store, clock) as scrub:
            ended += clock.after(2, scrub.step)
    assert ended == 7


def test_at_a_rate_of_zero_nothing_is_read(sessions: Sessions, store: ArtifactStore) -> None:
    clock = Clock()
    finish_job(sessions, store, {"a": b"1"})
    age(sessions, 8)
    with scrubbing(sessions, store, clock, rate=0) as scrub:
        assert clock.after(60, scrub.step) == 0


def test_a_job_deleted_while_its_file_is_read_is_no_error(
    sessions: Sessions, store: ArtifactStore
) -> None:
    clock = Clock()
    job = finish_job(sessions, store, {"a": bytes(4 * MIB)})
    with sessions.begin() as session:
        aged = now(-timedelta(days=9))
        session.execute(update(Artifact).where(Artifact.name == "a").values(checked_at=aged))
    with scrubbing(sessions, store, clock) as scrub:
        clock.after(1, scrub.step)
        with sessions.begin() as session:
            session.delete(session.get_one(type(job), job.id))
        store.delete_job(job.id)
        assert sum(clock.after(1, scrub.step) for _ in range(6)) == 1
