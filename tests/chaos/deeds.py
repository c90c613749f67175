"""What a process of its own does in a world that is about to go wrong."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fastapi.testclient import TestClient

from api.app import create_app
from api.settings import ApiSettings
from db.core.session import Sessions, open_sessions
from db.events.event_order import order_events
from db.files.artifact_store import ArtifactStore
from db.webhooks.fanout import fan_out
from tests.chaos.points import Points, fill_the_disk, freeze, kill
from tests.factories import make_spec
from tests.fakes import ListQueue
from tests.worker.webhooks.messages import deliver
from worker.attempts.engine import prune
from worker.attempts.run import Runner
from worker.control import lease_recovery, relay
from worker.settings import WorkerSettings

BEFALLS = {"kill": kill, "freeze": freeze, "disk": fill_the_disk}
JOB = {"model": "local:dense", "dataset": "local:rows.jsonl", "sparsity": 0.5, "method": "wanda"}
SPEC = make_spec(**JOB)


@dataclass(frozen=True)
class World:
    """Where everything is."""

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
        return ArtifactStore(self.settings(WorkerSettings).artifact_dir)

    def settings(self, kind: Any) -> Any:
        """Return the settings of one side."""
        where = {"data_dir": self.data, "database_url": self.database}
        roots = {"model_roots": (self.inputs,), "dataset_roots": (self.inputs,)}
        return kind.model_validate({"_env_file": None, "device": "cpu"} | where | roots)


@dataclass(frozen=True)
class Fate:
    """What befalls a process at which of its touches; where ``at`` is None, nothing.

    Attributes:
        told: a file that gets the number of touches.
    """

    befall: str = "kill"
    at: int | None = None
    told: Path | None = None

    def meets(self, world: World, sessions: Sessions) -> Points:
        """Begin to count this process's touches: of files, and where it is to be killed of rows.

        A full disk hits files alone, and whoever is frozen in a transaction holds up everyone.
        """
        points = Points(str(world.data), self.at, BEFALLS[self.befall])
        points.watch_files()
        if self.befall == "kill":
            points.watch_rows(sessions.kw["bind"])
        return points

    def tell(self, points: Points) -> None:
        """Say how many touches there were."""
        if self.told is not None:
            self.told.write_text(str(points.seen))


def run(world: World, fate: Fate, job_id: str, worker: str) -> None:
    """Be a worker that takes one message."""
    torch.set_num_threads(1)
    sessions = open_sessions(world.database)
    runner = Runner(sessions, world.store, prune, world.settings(WorkerSettings), worker=worker)
    points = fate.meets(world, sessions)
    runner.run(job_id)
    fate.tell(points)


def submit(world: World, fate: Fate) -> None:
    """Be an API that answers one request."""
    app = create_app(world.settings(ApiSettings), ListQueue())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        points = fate.meets(world, app.state.service.sessions)
        assert client.post("/v1/jobs", json=JOB).status_code == 201
        fate.tell(points)


def repair(world: World, fate: Fate) -> None:
    """Run lease recovery and the relay once."""
    sessions, settings = open_sessions(world.database), world.settings(WorkerSettings)
    points = fate.meets(world, sessions)
    lease_recovery.recover_leases(sessions, world.store, settings.keep_unfinished)
    relay.relay(sessions, lambda *_: None, lambda _: 0)
    fate.tell(points)


def tell(world: World, fate: Fate) -> None:
    """Make deliveries of new events and send them once."""
    sessions = open_sessions(world.database)
    points = fate.meets(world, sessions)
    order_events(sessions)
    fan_out(sessions)
    deliver(sessions)
    fate.tell(points)
