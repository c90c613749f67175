"""Which worker may run which job: what has to hold of each claim, and that no job starves."""

from __future__ import annotations

import json
from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

from db.scheduling.workers import WorkerRepository
from tests.factories import make_problem, make_worker
from tests.simulation.plan import bytes_of
from worker.attempts.attempt import Attempt
from worker.control import relay

if TYPE_CHECKING:
    from tests.simulation.invariants import JobRow
    from tests.simulation.plan import HostPlan
    from tests.simulation.world import World

SURELY_ALIVE_S = 59.0
"""A heartbeat of this age is recent, also if the clock's last digits are rounded."""
PUBLISHED_AGAIN_S = 31.0
_WORKERS = "SELECT name, queues, device, memory_bytes, draining, heartbeat_at FROM workers"


class ViolationError(Exception):
    """An invariant does not hold."""


class WorkerRow(NamedTuple):
    """What the rules need of a worker's row."""

    name: str
    queues: str
    device: str | None
    memory_bytes: int | None
    draining: bool
    heartbeat_at: str

    def serves(self, job: JobRow) -> bool:
        """Whether the worker has the queue of a job, and the memory that it asks for."""
        asked = job.min_memory_bytes
        has_memory = asked is None or (self.memory_bytes is not None and asked <= self.memory_bytes)
        return job.queue in json.loads(self.queues) and has_memory

    def fits(self, job: JobRow) -> bool:
        """Whether the worker also has the memory that the plan of a job needs."""
        planned, own = job.planned_memory_bytes, self.memory_bytes
        return self.serves(job) and (planned is None or (own is not None and planned <= own))


class Placement:
    """Checks each claim of a worker that is in the registry.

    A waiting job that the worker can run is overtaken by no job of lower priority, by no newer job
    of its key, and by none of a key whose last claim is later. So among jobs of its priority it
    waits for no more claims than there are jobs of its key before it, times the number of keys.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._last_claims: Counter[str | None] = Counter()

    def check_claim(self, old: JobRow, job: JobRow, others: list[JobRow]) -> None:
        """Check a claim, given all other jobs.

        Raises:
            ViolationError: the worker may not take the job, or has to take another one.
        """
        host = (job.worker or "").partition("/")[0]
        workers = [WorkerRow(*row) for row in self._world.database.rows(_WORKERS)]
        claiming = next((one for one in workers if one.name == host), None)
        if claiming is not None:
            self._check_worker(job, claiming, [one for one in workers if one is not claiming])
            if old.status == "queued":
                self._check_order(job, claiming, others)
        self._last_claims[job.created_by] = max(self._last_claims.values(), default=0) + 1

    def _check_worker(self, job: JobRow, claiming: WorkerRow, peers: list[WorkerRow]) -> None:
        if not claiming.serves(job) or claiming.draining or claiming.device != job.device:
            raise ViolationError(f"{claiming} takes {job}")
        if claiming.fits(job) or claiming.memory_bytes is None:
            return
        for peer in peers:
            if peer.fits(job) and not peer.draining and self._is_alive(peer):
                raise ViolationError(f"{claiming} takes {job}, which fits {peer}")
        self._world.reach("a worker took a job that is planned to need more memory")

    def _check_order(self, job: JobRow, claiming: WorkerRow, others: list[JobRow]) -> None:
        for other in others:
            if other.status != "queued" or other.not_before is not None:
                continue
            if not claiming.fits(other):
                self._world.reach("a job was overtaken that its worker cannot run")
            elif self._precedence(other) < self._precedence(job):
                raise ViolationError(f"{claiming} takes {job} before {other}")

    def _precedence(self, job: JobRow) -> tuple[int, int, str, str]:
        return -job.priority, self._last_claims[job.created_by], job.created_at, job.id

    def _is_alive(self, worker: WorkerRow) -> bool:
        time = self._world.database.time
        begin, end = (f"{time(s).replace(tzinfo=None)}" for s in (-SURELY_ALIVE_S, SURELY_ALIVE_S))
        return begin < worker.heartbeat_at < end


def run_what_waits(world: World) -> None:
    """Have the workers that are left run what waits; each message goes to the next of its queue.

    Raises:
        ViolationError: a job still waits that one of them can run.
    """
    left = deque(host for host in world.plan.hosts if host.survives)
    waiting = world.invariants.waiting()
    _report(world, left)
    for _ in range(len(waiting) * len(left)):
        world.kernel.now += PUBLISHED_AGAIN_S
        with world.sessions.begin() as session:
            for host in left:
                WorkerRepository(session).heartbeat(f"wrk_{host.name}")
        for job_id, queue in _published(world):
            taker = next((one for one in left if queue in one.queues), None)
            if taker is not None:
                left.remove(taker)
                left.append(taker)
                _take(world, taker, job_id)
    workers = [WorkerRow(*row) for row in world.database.rows(_WORKERS)]
    names = {host.name for host in left}
    for job in world.invariants.waiting():
        for worker in workers:
            if worker.name in names and worker.serves(job):
                raise ViolationError(f"{job} starves, though {worker} can run it")
        world.reach("a job waits that no worker can run")


def _report(world: World, hosts: deque[HostPlan]) -> None:
    with world.sessions.begin() as session:
        for host in hosts:
            memory, queues = bytes_of(host.memory_gb), list(host.queues)
            worker = make_worker(host.name, queues=queues, device=host.device, memory_bytes=memory)
            WorkerRepository(session).register(worker)


def _published(world: World) -> list[tuple[str, str]]:
    messages: list[tuple[str, str]] = []
    relay.relay(world.sessions, lambda *sent: messages.append(sent), lambda _: 0)
    return messages


def _take(world: World, host: HostPlan, job_id: str) -> None:
    """Take a message, and run the job to its end, if there is one for this worker."""
    worker_id = f"wrk_{host.name}"
    if not relay.has_work(world.sessions, job_id, host.queues, worker_id):
        return
    attempt = Attempt.claim(
        world.sessions,
        job_id,
        f"{host.name}/last",
        world.settings.lease,
        worker_id=worker_id,
        queues=host.queues,
    )
    if attempt is not None:
        attempt.fail(make_problem())
