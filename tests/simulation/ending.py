"""The end of a schedule: nothing disturbs the service any more, and nothing may be left undone."""

from datetime import timedelta

from db.events.event_order import order_events
from db.events.use_sums import correction
from db.webhooks import fanout
from db.webhooks.event_types import EventType
from tests.simulation.invariants import HELD_STATES
from tests.simulation.placement import ViolationError, run_what_waits
from tests.simulation.world import World
from worker.control import relay
from worker.control.lease_recovery import recover_leases

CALM_S = 7200.0
_STATES = "SELECT id, status FROM jobs"


def end_calmly(world: World) -> None:
    """End all processes, let time pass, and check that every job goes on or has ended.

    Raises:
        ViolationError: something is lost.
    """
    world.kernel.now += CALM_S
    world.broker.messages.clear()
    if HELD_STATES & {status for _, status in _jobs(world)}:
        recover_leases(world.sessions, world.store, timedelta(days=1))
    jobs = _jobs(world)
    published: list[str] = []
    if "queued" in {status for _, status in jobs}:
        relay.relay(world.sessions, lambda job_id, _: published.append(job_id), lambda _: 0)
    for job_id, status in jobs:
        if status in HELD_STATES:
            raise ViolationError(f"{job_id} is {status} for ever")
        if status == "queued" and job_id not in published:
            raise ViolationError(f"{job_id} waits, and no message is sent for it")
    if world.plan.has_webhook:
        check_deliveries(world)
    check_sums(world)
    check_files(world, [job_id for job_id, status in jobs if status == "succeeded"])
    if world.plan.is_mixed:
        run_what_waits(world)


def _jobs(world: World) -> list[tuple[str, str]]:
    return [(job_id, status) for job_id, status in world.database.rows(_STATES)]


def check_deliveries(world: World) -> None:
    """Check that each event of a job's status became one message, but those of deleted jobs."""
    order_events(world.sessions)
    fanout.fan_out(world.sessions)
    wanted = tuple(one.status.value for one in EventType if one.status is not None)
    marks = ", ".join("?" * len(wanted))
    events = world.database.rows(
        f"SELECT position FROM job_events WHERE kind = 'status' AND status IN ({marks})", *wanted
    )
    sent = world.database.rows("SELECT position FROM webhook_deliveries")
    if missing := set(events) - set(sent):
        raise ViolationError(f"events became no messages: {missing}")


def check_sums(world: World) -> None:
    """Check that the daily sums are those of the rows."""
    with world.sessions() as session:
        lacking = correction(session.connection())
    if lacking:
        raise ViolationError(f"the daily sums lack {lacking}")


def check_files(world: World, succeeded: list[str]) -> None:
    """Check that each finished job has the files of one attempt, and no other job has any."""
    rows = world.database.rows("SELECT DISTINCT job_id, attempt FROM artifacts")
    if sorted(job for job, _ in rows) != sorted(succeeded):
        raise ViolationError(f"the finished jobs {succeeded} have files {rows}")
    present = world.store.published()
    if missing := set(rows) - present:
        raise ViolationError(f"files are missing: {missing}")
