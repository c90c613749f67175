"""What has to hold after each commit, and at the end of a schedule."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from db.core.states import FINAL, HELD, NEXT
from tests.simulation.kernel import Actor, Process
from tests.simulation.placement import Placement, ViolationError

if TYPE_CHECKING:
    from tests.simulation.world import World

HELD_STATES = {state.value for state in HELD}
FINAL_STATES = {state.value for state in FINAL}
ALLOWED = {state.value: {one.value for one in after} for state, after in NEXT.items()}


class JobRow(NamedTuple):
    """What the invariants need of a job's row."""

    id: str
    status: str
    attempt: int
    worker: str | None
    leased_at: str | None
    lease_until: str | None
    version: int
    created_by: str | None
    not_before: str | None
    created_at: str
    queue: str
    priority: int
    device: str | None
    min_memory_bytes: int | None
    planned_memory_bytes: int | None


class EventRow(NamedTuple):
    """What the invariants need of an event."""

    job_id: str
    seq: int
    kind: str
    status: str
    attempt: int
    position: int | None
    data: str


_JOBS = (
    "SELECT id, status, attempt, worker, leased_at, lease_until, version, created_by, not_before, "
    "created_at, queue, priority, device, min_memory_bytes, planned_memory_bytes FROM jobs"
)
_EVENTS = (
    "SELECT job_id, seq, kind, status, attempt, position, data FROM job_events ORDER BY job_id, seq"
)


class Invariants:
    """Compares what is committed with what was committed before.

    Attributes:
        deleted: the jobs that clients have asked to delete.
        processes: the processes that hold leases, by name.
    """

    def __init__(self, world: World) -> None:
        self._world, self._database = world, world.database
        self.jobs: dict[str, JobRow] = {}
        self._events: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.deleted: set[str] = set()
        self.processes: dict[str, Process] = {}
        self._placement = Placement(world)

    def waiting(self) -> list[JobRow]:
        """Return the jobs that are queued now."""
        jobs = (JobRow(*row) for row in self._database.rows(_JOBS))
        return [job for job in jobs if job.status == "queued"]

    @property
    def all_ended(self) -> bool:
        """Whether no job can change any more unless a client wants it."""
        ended = FINAL_STATES | {"paused"}
        return all(job.status in ended for job in self.jobs.values())

    def disturb_all(self) -> None:
        """Note that no process needs to renew its lease in time."""
        for actor in self._world.kernel.actors:
            actor.process.is_disturbed = True

    def check_message(self, job_id: str) -> None:
        """Check that a message is about a committed job, and that no lock is held meanwhile."""
        is_known = self._database.rows("SELECT 1 FROM jobs WHERE id = ?", job_id)
        if not is_known and job_id not in self.deleted:
            raise ViolationError(f"a message names {job_id}, which is not committed")
        if self._database.is_writing:
            raise ViolationError("a message is sent within a transaction")

    def check(self, actor: Actor) -> list[str]:
        """Check the state after a commit of an actor, and describe what has changed."""
        before, self.jobs = self.jobs, {row[0]: JobRow(*row) for row in self._database.rows(_JOBS)}
        known, self._events = self._events, defaultdict(list)
        for row in self._database.rows(_EVENTS):
            self._events[row[0]].append(row)
        if lost := before.keys() - self.jobs.keys() - self.deleted:
            raise ViolationError(f"jobs were lost: {lost}")
        changes = []
        for job_id, job in self.jobs.items():
            old = before.get(job_id)
            if old == job:
                continue
            events = [EventRow(*row) for row in self._events[job_id]]
            new = events[len(known[job_id]) :]
            self._check_job(actor, old, job)
            self._check_events(old, job, events, new)
            kinds = " ".join(one.kind for one in new)
            changes.append(
                f"{job_id[-2:]} {old and old.status}->{job.status} #{job.attempt} {kinds}"
            )
        self._check_quota()
        return changes

    def _check_job(self, actor: Actor, old: JobRow | None, job: JobRow) -> None:
        if old is None:
            return
        if (job.status in HELD_STATES) != (job.lease_until is not None):
            raise ViolationError(f"{job} has a lease without a holder, or the reverse")
        if old.status != job.status and job.status not in ALLOWED[old.status]:
            raise ViolationError(f"{old.status} -> {job.status}")
        if job.attempt not in {old.attempt, old.attempt + 1}:
            raise ViolationError(f"attempt {old.attempt} -> {job.attempt}")
        if job.attempt > old.attempt:
            self._check_claim(old, job)
            if self._world.plan.is_mixed:
                others = [one for one in self.jobs.values() if one is not job]
                self._placement.check_claim(old, job, others)
        if (name := actor.process.worker) is not None:
            self.processes[name] = actor.process
            held = old.status in HELD_STATES and old.worker == name
            after_success = old.status == job.status == "succeeded"
            if not held and job.worker != name and not after_success:
                raise ViolationError(f"{name} changes a job that it does not hold: {old} -> {job}")
        self._check_holder(actor, old, job)

    def _check_claim(self, old: JobRow, job: JobRow) -> None:
        now = self._database.time().strftime("%Y-%m-%d %H:%M:%S.%f")
        later = self._database.time(4).strftime("%Y-%m-%d %H:%M:%S.%f")
        if old.status == "queued":
            return
        is_lost = (old.lease_until or "") < now or (old.leased_at or "") > later
        if old.status != "running" or not is_lost:
            raise ViolationError(f"{job.worker} claims a job that {old.worker} holds: {old}")
        self._world.reach("a claim took over an expired lease")

    def _check_holder(self, actor: Actor, old: JobRow, job: JobRow) -> None:
        """Check that no job is taken away from a process that works and renews its lease."""
        holder = self.processes.get(old.worker or "")
        if old.status not in HELD_STATES or holder is None or actor.process is holder:
            return
        is_working = any(one.process is holder for one in self._world.kernel.actors)
        is_taken = job.attempt != old.attempt or job.status not in HELD_STATES
        if not is_taken:
            return
        if is_working and not holder.is_disturbed:
            raise ViolationError(f"{holder.name} lost its job, though nothing hindered it: {job}")
        if is_working:
            self._world.reach("a live process lost its lease")

    def _check_events(
        self, old: JobRow | None, job: JobRow, events: list[EventRow], new: list[EventRow]
    ) -> None:
        if [one.seq for one in events] != list(range(1, len(events) + 1)):
            raise ViolationError(f"the events of {job.id} have gaps")
        statuses = [one for one in events if one.kind == "status"]
        if not statuses or statuses[-1].status != job.status:
            raise ViolationError(f"{job.id} is {job.status}, but its last event is not")
        if (old is None or old.status != job.status) and not any(
            one.kind == "status" for one in new
        ):
            raise ViolationError(f"{job.id} became {job.status} without an event")
        if sum(one.status == "succeeded" for one in statuses) > 1:
            raise ViolationError(f"{job.id} succeeded twice")
        for event in new:
            self._reach_by(event)

    def _reach_by(self, event: EventRow) -> None:
        world = self._world
        for reason in ("worker_lost", "yielded", "postponed", "retry", "worker_starved"):
            if f'"{reason}"' in event.data:
                world.reach(f"a job was {REASONS[reason]}")
        if event.kind == "status" and event.status in {"cancelling", "pausing", "paused", "failed"}:
            world.reach(f"a job was {event.status}")
        if event.kind == "files_deleted":
            world.reach("a rule deleted files")

    def _check_quota(self) -> None:
        if (quota := self._world.plan.quota) is None:
            return
        used = sum(job.status not in FINAL_STATES for job in self.jobs.values())
        if used > quota:
            raise ViolationError(f"{used} jobs are unfinished, {quota} allowed")


REASONS = {
    "worker_lost": "reaped",
    "worker_starved": "starved",
    "yielded": "released by its worker",
    "postponed": "retried after a delay",
    "retry": "retried by its client",
}
