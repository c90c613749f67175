"""One seed is one schedule: its plan, its run, and its end."""

import logging
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db.access.keys import KeyRepository, Quotas
from db.files.stores import open_uploads
from db.webhooks.event_types import EventType
from db.webhooks.repository import WebhookRepository
from tests.simulation.client import add_client, add_operators
from tests.simulation.control import RECOVER_EVERY_S, Control
from tests.simulation.database import Database
from tests.simulation.ending import end_calmly
from tests.simulation.files import SimulatedStore
from tests.simulation.kernel import Kernel
from tests.simulation.plan import plan
from tests.simulation.threads import simulated_system
from tests.simulation.worker import WorkerHost
from tests.simulation.world import World
from worker.settings import WorkerSettings


@dataclass(frozen=True)
class Outcome:
    """What became of one schedule.

    Attributes:
        violation: the invariant that does not hold; None if all do.
        reached: the rare situations that occurred.
        trace: a line for each step.
    """

    seed: int
    violation: str | None
    reached: frozenset[str]
    trace: tuple[str, ...]
    steps: int


class Simulator:
    """Runs schedules one after another, in one database."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder)
        self._store = SimulatedStore(folder / "artifacts")
        fields = {"_env_file": None, "worker_nice": 0, "reap_every_s": RECOVER_EVERY_S}
        self._settings = WorkerSettings.model_validate(fields | {"data_dir": folder})
        self._uploads = open_uploads(self._settings)
        self._kernel: Kernel | None = None

    @property
    def kernel(self) -> Kernel:
        """The kernel of the current schedule."""
        assert self._kernel is not None
        return self._kernel

    def run(self, seed: int, *, traced: bool = False, feature: str | None = None) -> Outcome:
        """Run the schedule of a seed; ``feature`` is one of `plan.FEATURES`."""
        random.seed(seed)  # the service draws the jitter of its retries from it
        drawn = plan(random.Random(seed), feature)
        trace: list[str] | None = [str(drawn)] if traced else None
        world = World(
            seed, drawn, self._database, self._store, self._settings, self._uploads, trace
        )
        self._kernel = world.kernel
        violation = None
        try:
            self._play(world)
        except Exception as error:
            violation = f"{type(error).__name__}: {error}"
            world.note(violation)
            if traced:
                logging.getLogger(__name__).debug("", exc_info=True)
        finally:
            for actor in list(world.kernel.actors):
                world.kernel.end_process(actor.process)
        lines = tuple(trace or ())
        return Outcome(seed, violation, frozenset(world.reached), lines, world.kernel.steps)

    def _play(self, world: World) -> None:
        key_id = _prepare(world)
        hosts = [WorkerHost(world, host) for host in world.plan.hosts]
        control = Control(world)
        world.restarts = {host.name: [host.restart] for host in hosts}
        world.restarts["a"].append(control.restart)
        world.restarts["control"] = [control.restart]
        add_operators(world)
        for number, job in enumerate(world.plan.jobs):
            add_client(world, job, number, key_id)
        world.kernel.run()
        end_calmly(world)


def _prepare(world: World) -> str | None:
    """Insert what exists before the schedule begins; return the id of the clients' key."""
    plan = world.plan
    if not plan.has_webhook and plan.quota is None and not plan.is_mixed:
        return None
    with world.sessions.begin() as session:
        if plan.has_webhook:
            WebhookRepository(session).create("https://hooks.example", events=list(EventType))
        if plan.has_webhook:
            return None
        key, _ = KeyRepository(session).create("a", quotas=Quotas(jobs_in_flight=plan.quota))
        return key.id


@contextmanager
def simulator() -> Iterator[Simulator]:
    """Open a simulator in a memory-backed folder, if the machine has one."""
    shared = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp("", "zpruner-simulation-", shared if shared.is_dir() else None))
    was_disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        one = Simulator(folder)
        with simulated_system(lambda: one.kernel):
            yield one
    finally:
        logging.disable(was_disabled)
        shutil.rmtree(folder, ignore_errors=True)
