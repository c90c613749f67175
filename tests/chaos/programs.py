"""Parts of the service that run as processes with an injected fault."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.retention_rules import RetentionRule
from db.core.session import Sessions
from db.events.event_order import order_events
from db.files.artifact_store import ArtifactStore
from db.files.file_store import FileStore
from db.jobs.commands import JobCommands
from db.use_sums import correct_sums
from db.webhooks.fanout import fan_out
from tests.chaos import engine
from tests.factories import make_spec
from tests.fakes import ListQueue
from tests.worker.webhooks.messages import deliver
from worker.attempts.engine import prune
from worker.attempts.run import Runner
from worker.control import lease_recovery, relay, retention
from worker.settings import WorkerSettings

SPEC = make_spec()
SPEC_OF_A_MODEL = make_spec(model="local:dense", dataset="local:rows.jsonl", method="wanda")
NO_HUB = "http://127.0.0.1:9"
NO_FILES = RetentionRule(name="no-files", max_jobs=0)
Program = Callable[..., None]
"""A function of a world, sessions on its database, and arguments of its own."""


@dataclass(frozen=True)
class World:
    """The database and the folders of one test."""

    database: str
    folder: Path

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def store(self) -> ArtifactStore:
        return FileStore(self.settings(WorkerSettings).artifact_dir)

    def settings(self, kind: Any) -> Any:
        """Return the settings of one side."""
        where = {"data_dir": self.data, "database_url": self.database}
        roots = {"model_roots": (self.inputs,), "dataset_roots": (self.inputs,)}
        common = {"_env_file": None, "device": "cpu", "hf_endpoint": NO_HUB}
        return kind.model_validate(common | where | roots)


def work(world: World, sessions: Sessions, job_id: str, worker: str) -> None:
    """Run the worker for one message, without a model."""
    _runner(world, sessions, worker, engine.prune).run(job_id)


def work_with_a_model(world: World, sessions: Sessions, job_id: str, worker: str) -> None:
    """Run the worker for one message, with the real engine."""
    _runner(world, sessions, worker, prune).run(job_id)


def submit(world: World, _sessions: Sessions) -> None:
    """Run the API for one request."""
    job = SPEC.model_dump(include={"model", "dataset", "sparsity"})
    app = create_app(world.settings(ApiSettings), ListQueue())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.post("/v1/jobs", json=job).status_code == 201


def repair(world: World, sessions: Sessions) -> None:
    """Run lease recovery and the relay once."""
    keep_unfinished = world.settings(WorkerSettings).keep_unfinished
    lease_recovery.recover_leases(sessions, world.store, keep_unfinished)
    relay.relay(sessions, lambda *_: None, lambda _: 0)


def correct_and_delete(world: World, sessions: Sessions, job_id: str) -> None:
    """Correct the daily sums, then give an ended job another label, and delete it."""
    correct_sums(world.database)
    with sessions.begin() as session:
        JobCommands(session).describe(job_id, name=None, labels={"team": "nlp"})
    with sessions.begin() as session:
        JobCommands(session).delete(job_id)


def retain(world: World, sessions: Sessions) -> None:
    """Delete the files of all finished jobs."""
    retention.delete_files(sessions, world.store, [NO_FILES])


def send_messages(_world: World, sessions: Sessions) -> None:
    """Make deliveries of new events and send them once."""
    order_events(sessions)
    fan_out(sessions)
    deliver(sessions)


def _runner(world: World, sessions: Sessions, worker: str, work: Any) -> Runner:
    return Runner(sessions, world.store, work, world.settings(WorkerSettings), worker=worker)
