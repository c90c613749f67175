"""A host with a worker: its parent process takes messages, and starts a process for each job."""

import threading
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import cast

from sqlalchemy.exc import OperationalError

from db.core.ids import new_id
from db.core.states import Phase
from db.jobs.releases import release_jobs_of
from db.spec.prune_spec import PruneSpec
from tests.simulation.broker import Message
from tests.simulation.kernel import Process
from tests.simulation.plan import HostPlan, bytes_of
from tests.simulation.threads import LONG_S, Event
from tests.simulation.world import World
from worker.attempts.run import Runner
from worker.control.relay import has_work
from worker.device import Device
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources
from worker.pool.heartbeat import WorkerHeartbeat
from worker.pool.usage import Usage

WORK = ".work"
FILES = ("weights", "report.json")
BEAT_S = 25.0
"""How often a worker reports; in time for the others, and not in too many steps."""


class WorkerHost:
    """A host that runs one job at a time, until the schedule calms down."""

    def __init__(self, world: World, plan: HostPlan) -> None:
        self._world, self._plan, self.name, self._numbers = world, plan, plan.name, count(1)
        self._worker_id: str | None = None
        self._is_draining = False
        self.parent = self._start()

    def _start(self) -> Process:
        parent = Process(f"{self.name}/parent", self.name)
        self._world.spawn(parent, "worker", self._consume)
        return parent

    def restart(self) -> None:
        """Start the parent again after a crash of the host."""
        self.parent = self._start()

    def _consume(self) -> None:
        world, parent = self._world, self.parent
        heartbeat = None if self._plan.device is None else self._report(self._plan.device)
        while not world.is_over:
            world.kernel.pause("consume", self._has_news, 30.0)
            if (message := world.broker.take(self._consumed)) is not None:
                world.hold(message, parent)
                self._handle(message)
                world.confirm(message)
        if heartbeat is not None:
            heartbeat.stop()

    def _report(self, name: str) -> WorkerHeartbeat:
        """Register the worker, and report it from then on."""
        self._worker_id, self._is_draining = new_id("wrk"), False
        device = Device(name, bytes_of(self._plan.memory_gb) or 0)
        heartbeat = WorkerHeartbeat(
            self._world.sessions,
            self._worker_id,
            self.name,
            list(self._plan.queues),
            detect_device=lambda: device,
            measure_usage=lambda _: Usage(),
            on_drain=self._drain,
            every_s=BEAT_S,
        )
        heartbeat.start()
        return heartbeat

    def _drain(self, is_draining: bool) -> None:
        self._is_draining = is_draining
        self._world.reach("a worker was drained")

    @property
    def _consumed(self) -> tuple[str, ...]:
        return () if self._is_draining else self._plan.queues

    def _has_news(self) -> bool:
        return self._world.is_over or bool(self._world.broker.visible(self._consumed))

    def _handle(self, message: Message) -> None:
        world = self._world
        if not self._has_work(message.job_id):
            world.reach("a message without work was dropped")
            return
        child = Process(f"{self.name}/{next(self._numbers)}", self.name)
        child.worker = child.name
        failed: list[Exception] = []

        def run() -> None:
            try:
                self._run(child, message.job_id)
            except OperationalError as error:  # Celery catches it
                failed.append(error)

        actor = world.spawn(child, "job", run)
        world.kernel.pause("child", lambda: actor not in world.kernel.actors, LONG_S)
        if failed or not child.is_alive:
            self._release(child)
        if not child.is_alive:
            world.broker.put_back(message)

    def _has_work(self, job_id: str) -> bool:
        """Do as `worker.tasks` does with a message."""
        try:
            return has_work(self._world.sessions, job_id, self._plan.queues, self._worker_id)
        except OperationalError:
            self._world.reach("the database was locked for too long")
            return True

    def _release(self, child: Process) -> None:
        """Do as `worker.tasks.JobRequest` does after a child has failed or was lost."""
        try:
            release_jobs_of(self._world.sessions, self._world.store, child.name)
        except OperationalError:
            self._world.reach("the database was locked for too long")

    def _run(self, child: Process, job_id: str) -> None:
        world = self._world
        Runner(
            world.sessions,
            world.store,
            self._prune,
            world.settings.model_copy(update={"worker_id": self._worker_id}),
            worker=child.name,
            queues=self._plan.queues,
            uploads=world.uploads,
            stopping=cast(threading.Event, Event(world.kernel)),
            exit_process=lambda: world.kernel.end_process(child),
        ).run(job_id)

    def _prune(
        self, spec: PruneSpec, out: Path, resources: Resources
    ) -> Generator[JobProgress, None, JobResult]:
        """Do the work that the job's plan describes, and write two files."""
        world, attempt = self._world, int(out.name)
        planned = world.plan_of(out.parent.name)
        yield JobProgress(Phase.resolving, 0.0)
        (out / WORK).mkdir(exist_ok=True)
        total = len(planned.block_s)
        for index, seconds in enumerate(planned.block_s):
            world.kernel.sleep(seconds)
            block = (index, total, f"layers.{index}")
            yield JobProgress(Phase.pruning, (index + 1) / total, block, {"attempt": attempt})
        end = planned.ends[min(attempt, len(planned.ends)) - 1]
        if end == "refused":
            raise ValueError("the work fails")
        if end == "later":
            raise OSError(28, "No space left on device")
        for name in FILES:
            (out / name).write_text(f"{attempt}")
        return JobResult({"attempt": attempt})
