"""Parts of the service that run as processes with an injected fault."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import ApiSettings
from db.core.retention_rules import RetentionRule
from db.core.session import Sessions, open_sessions
from db.events.event_order import order_events
from db.files.artifact_store import ArtifactStore
from db.files.file_store import FileStore
from db.webhooks.fanout import fan_out
from tests.chaos.fault_injection import FaultInjector, fill_the_disk, freeze, kill
from tests.factories import make_spec
from tests.fakes import ListQueue
from tests.worker.webhooks.messages import deliver
from worker.attempts.engine import prune
from worker.attempts.run import Runner
from worker.control import lease_recovery, relay, retention
from worker.settings import WorkerSettings

FAULTS = {"kill": kill, "freeze": freeze, "disk": fill_the_disk}
JOB = {"model": "local:dense", "dataset": "local:rows.jsonl", "sparsity": 0.5, "method": "wanda"}
SPEC = make_spec(**JOB)
NO_FILES = RetentionRule(name="no-files", max_jobs=0)


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
        return kind.model_validate({"_env_file": None, "device": "cpu"} | where | roots)


@dataclass(frozen=True)
class FaultPlan:
    """The fault of a process, and the write at which it happens; None for no fault.

    Attributes:
        count_file: a file that gets the number of writes.
    """

    fault: str = "kill"
    at: int | None = None
    count_file: Path | None = None

    def inject(self, world: World, sessions: Sessions) -> FaultInjector:
        """Start counting this process's writes to files and, if it is to be killed, to rows.

        A full disk affects files only, and a process suspended in a transaction blocks others.
        """
        injector = FaultInjector(str(world.data), self.at, FAULTS[self.fault])
        injector.watch_files()
        if self.fault == "kill":
            injector.watch_rows(sessions.kw["bind"])
        return injector

    def write_count(self, injector: FaultInjector) -> None:
        if self.count_file is not None:
            self.count_file.write_text(str(injector.writes))


def run(world: World, plan: FaultPlan, job_id: str, worker: str) -> None:
    """Run the worker for one message."""
    torch.set_num_threads(1)
    sessions = open_sessions(world.database)
    runner = Runner(sessions, world.store, prune, world.settings(WorkerSettings), worker=worker)
    injector = plan.inject(world, sessions)
    runner.run(job_id)
    plan.write_count(injector)


def submit(world: World, plan: FaultPlan) -> None:
    """Run the API for one request."""
    app = create_app(world.settings(ApiSettings), ListQueue())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        injector = plan.inject(world, app.state.service.sessions)
        assert client.post("/v1/jobs", json=JOB).status_code == 201
        plan.write_count(injector)


def repair(world: World, plan: FaultPlan) -> None:
    """Run lease recovery and the relay once."""
    sessions, settings = open_sessions(world.database), world.settings(WorkerSettings)
    injector = plan.inject(world, sessions)
    lease_recovery.recover_leases(sessions, world.store, settings.keep_unfinished)
    relay.relay(sessions, lambda *_: None, lambda _: 0)
    plan.write_count(injector)


def retain(world: World, plan: FaultPlan) -> None:
    """Delete the files of all finished jobs."""
    sessions = open_sessions(world.database)
    injector = plan.inject(world, sessions)
    retention.delete_files(sessions, world.store, [NO_FILES])
    plan.write_count(injector)


def send_messages(world: World, plan: FaultPlan) -> None:
    """Make deliveries of new events and send them once."""
    sessions = open_sessions(world.database)
    injector = plan.inject(world, sessions)
    order_events(sessions)
    fan_out(sessions)
    deliver(sessions)
    plan.write_count(injector)
