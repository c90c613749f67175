"""Clients: each submits a job through the code of the API, and gives commands."""

from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import cast

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api.services.service import Service
from api.submission.submit import enqueue
from db.core.access_errors import QuotaExceededError
from db.core.errors import IllegalTransitionError, JobNotFoundError, ResultInUseError
from db.core.states import JobState
from db.jobs.commands import JobCommands
from db.jobs.quotas import QuotaRepository
from db.jobs.repository import JobRepository, NewJob
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Job
from tests.factories import make_spec
from tests.simulation.kernel import Crash, Process
from tests.simulation.plan import HostPlan, JobPlan, bytes_of
from tests.simulation.world import World

PLAIN = make_spec()
WITH_OUTPUT = make_spec(output=[{"hub": "org/pruned", "secret": "hub"}])


class Client:
    """Submits one job and gives the commands of its plan."""

    def __init__(self, world: World, plan: JobPlan, key_id: str | None) -> None:
        self._world, self._plan, self._key_id = world, plan, key_id
        self._service = cast(Service, SimpleNamespace(sessions=world.sessions, queue=world.broker))

    def run(self) -> None:
        try:
            self._world.kernel.sleep(self._plan.submitted_at)
            if (job_id := self._submit()) is None:
                return
            for after_s, command in self._plan.commands:
                self._world.kernel.sleep(after_s)
                self._give(job_id, command)
        except OperationalError:
            self._world.reach("the database was locked for too long")
        finally:
            self._world.busy_clients -= 1

    def _submit(self) -> str | None:
        world = self._world
        try:
            with world.sessions.begin() as session:
                job = JobRepository(session).add(self.new_job)
                job.planned_memory_bytes = bytes_of(self._plan.planned_gb)
                world.set_plan(job.id, self._plan)
        except QuotaExceededError:
            world.reach("a quota was used up")
            return None
        self._enqueue(job.id)
        return job.id

    def _enqueue(self, job_id: str) -> None:
        broker = self._world.broker
        try:
            enqueue(self._service, job_id)
        except Crash:
            if job_id not in broker.named:
                self._world.reach("a process crashed after its commit and before its message")
            raise

    @property
    def new_job(self) -> NewJob:
        plan = self._plan
        return NewJob(
            WITH_OUTPUT if self._world.plan.has_output else PLAIN,
            created_by=self._key_id if plan.has_key else None,
            queue=plan.queue,
            priority=plan.priority,
            min_memory_bytes=bytes_of(plan.min_gb),
        )

    def _give(self, job_id: str, command: str) -> None:
        world = self._world
        try:
            with world.sessions.begin() as session:
                is_queued = self._change(session, command, job_id)
        except (IllegalTransitionError, QuotaExceededError, JobNotFoundError, ResultInUseError):
            world.reach(f"a {command} was refused")
            world.invariants.deleted.discard(job_id)
            return
        world.reach(f"a {command} was accepted")
        if command == "delete":
            world.store.delete_job(job_id)
        elif is_queued:
            self._enqueue(job_id)

    def _change(self, session: Session, command: str, job_id: str) -> bool:
        """Give a command as the API's route does; return whether the job is queued afterwards."""
        if command == "delete":
            self._world.invariants.deleted.add(job_id)
            JobCommands(session).delete(job_id)
            return False
        if command == "retry":
            created_by = JobRepository(session).get(job_id).created_by
            QuotaRepository(session).check_jobs(created_by)
        job: Job = getattr(JobCommands(session), command)(job_id)
        return job.status is JobState.queued


def _drain(world: World, host: HostPlan) -> None:
    """Drain a worker for a time, as an operator does."""
    previous = 0.0
    for at, is_draining in zip(host.drained or (), (True, False), strict=False):
        world.kernel.sleep(at - previous)
        previous = at
        with suppress(OperationalError), world.sessions.begin() as session:
            for one in WorkerRepository(session).all():
                if one.worker.name == host.name:
                    WorkerRepository(session).set_draining(one.worker.id, is_draining)


def add_operators(world: World) -> None:
    """Add an operator for each worker that is to be drained."""
    for host in world.plan.hosts:
        if host.drained is not None:
            process = Process(f"api/drain-{host.name}", "a")
            world.spawn(process, "operator", partial(_drain, world, host))


def add_client(world: World, plan: JobPlan, number: int, key_id: str | None) -> None:
    world.busy_clients += 1
    process = Process(f"api/{number}", "a")
    world.spawn(process, "client", Client(world, plan, key_id).run)
