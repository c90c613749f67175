"""A host with a worker: its parent process takes messages, and starts a process for each job."""

import threading
from collections.abc import Generator
from itertools import count
from pathlib import Path
from typing import cast

from sqlalchemy.exc import OperationalError

from db.core.states import Phase
from db.jobs.releases import release_jobs_of
from db.spec.prune_spec import PruneSpec
from tests.simulation.broker import Message
from tests.simulation.kernel import Process
from tests.simulation.threads import LONG_S, Event
from tests.simulation.world import World
from worker.attempts.run import Runner
from worker.control.relay import has_work
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources

QUEUES = ("gpu",)
WORK = ".work"
FILES = ("weights", "report.json")
RESTART_S = 20.0


class WorkerHost:
    """A host that runs one job at a time, until the schedule calms down."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self.name, self._numbers = world, name, count(1)
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
        while not world.is_over:
            world.kernel.pause("consume", self._has_news, 30.0)
            if (message := world.broker.take()) is not None:
                world.hold(message, parent)
                self._handle(message)
                world.confirm(message)

    def _has_news(self) -> bool:
        return self._world.is_over or self._world.broker.has_message()

    def _handle(self, message: Message) -> None:
        world = self._world
        if not has_work(world.sessions, message.job_id, QUEUES):
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
            world.settings,
            worker=child.name,
            queues=QUEUES,
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
