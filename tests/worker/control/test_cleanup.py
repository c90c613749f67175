from collections.abc import Callable
from pathlib import Path

from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.jobs.commands import JobCommands
from tests.factories import make_job
from tests.worker.work import work
from worker.attempts.run import Runner
from worker.control import cleanup


def test_only_the_files_of_deleted_jobs_are_deleted(
    sessions: Sessions, store: ArtifactStore, runner: Callable[..., Runner], tmp_path: Path
) -> None:
    job, other = make_job(sessions), make_job(sessions)
    for one in (job, other):
        runner(work()).run(one.id)
    with sessions.begin() as session:
        JobCommands(session).delete(job.id)

    assert cleanup.delete_orphans(sessions, store) == 1
    assert cleanup.delete_orphans(sessions, store) == 0

    assert store.published_jobs() == [other.id]
