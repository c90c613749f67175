"""Jobs that the real engine runs beside a real store, for tests of jobs that start from others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.tables.artifacts import Artifact
from db.tables.jobs import Job
from tests.factories import make_job, make_spec
from tests.worker.rows import read
from worker.attempts.engine import prune
from worker.attempts.run import Runner
from worker.settings import WorkerSettings

SMALL: dict[str, Any] = {
    "model": "local:model",
    "dataset": "local:text.txt",
    "samples": 2,
    "eval_samples": 2,
    "seq_len": 16,
    "dtype": "float32",
}


@dataclass(frozen=True)
class Service:
    """A database, a store and settings, and a runner that uses them."""

    sessions: Sessions
    store: ArtifactStore
    settings: WorkerSettings

    @property
    def runner(self) -> Runner:
        return Runner(
            self.sessions,
            self.store,
            prune,
            self.settings,
            worker="test/1",
            exit_process=lambda: None,
        )

    def run(self, change: Callable[[], object] = lambda: None, **fields: Any) -> Job:
        """Run a job of the small model, after it was added and something was changed."""
        job = make_job(self.sessions, make_spec(**SMALL | fields))
        change()
        self.runner.run(job.id)
        return read(self.sessions, job.id)

    def files(self, job: Job) -> dict[str, Artifact]:
        assert job.status is JobState.succeeded, job.error
        with self.sessions() as session:
            return {one.name: one for one in ArtifactRepository(session).of_job(job.id)}
