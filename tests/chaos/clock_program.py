"""Sets its own clock many times, and says as JSON what that broke; to be run under libfaketime.

``python -m tests.chaos.clock_program DATABASE_URL FOLDER CLOCK_FILE``
"""

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.session import Sessions, open_sessions
from db.core.states import JobState
from db.files.file_store import FileStore
from db.jobs.repository import JobRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.control_heartbeat import HeartbeatRepository
from db.scheduling.leases import LeaseRepository
from db.scheduling.recovery import RecoveryRepository
from db.scheduling.workers import WorkerRepository
from db.tables.jobs import Job
from db.webhooks.dispatch import DispatchRepository
from tests.clocks import WallClock
from tests.factories import make_delivery, make_job, make_webhook, make_worker
from worker.control.lease_recovery import LeaseRecovery
from worker.settings import WorkerSettings

SECOND, MINUTE, HOUR, DAY = 1, 60, 3600, 86_400
SIZES = (
    *(8, 20, 45, 90, 2 * MINUTE, 20 * MINUTE, HOUR, 5 * HOUR),
    *(DAY, 3 * DAY, 8 * DAY, 31 * DAY, 400 * DAY),
)
STEPS = [sign * size for size in SIZES for sign in (-1, 1)]
SLEEPS = (10 * MINUTE, 8 * HOUR, 3 * DAY)


class World:
    """One database, and the two clocks: the wall clock, and one that cannot be set."""

    def __init__(self, database: str, folder: Path, wall: WallClock) -> None:
        self.sessions: Sessions = open_sessions(database)
        self._wall, self._offset_s, self._monotonic_s = wall, 0.0, 1000.0
        store, settings = FileStore(folder), WorkerSettings.model_validate({"_env_file": None})
        self.recovery = LeaseRecovery(self.sessions, store, settings, lambda: self._monotonic_s)
        self.broken: list[str] = []
        self.faults = 0

    def step(self, seconds: float) -> None:
        """Set the clock on the wall, or let the machine sleep."""
        self._offset_s += seconds
        self._wall.set(timedelta(seconds=self._offset_s))

    def go_by(self, seconds: float) -> None:
        """Let time go by, on both clocks."""
        self._monotonic_s += seconds
        self.step(seconds)

    def expect(self, holds: bool, words: str) -> None:
        if not holds:
            self.broken.append(words)

    def job(self, job_id: str) -> Job:
        with self.sessions() as session:
            return JobRepository(session).get(job_id)

    def write(self, act: Callable[[Session], object]) -> None:
        with self.sessions.begin() as session:
            act(session)

    def running(self) -> str:
        job_id = make_job(self.sessions).id
        self.write(lambda session: ClaimRepository(session).claim(job_id, "worker-1"))
        return job_id

    def recover_for(self, seconds: float, *living: str) -> None:
        """Run lease recovery for some time, while live workers renew their leases."""
        for number in range(int(seconds // 10)):
            self.recovery.run()
            self.go_by(10)
            for job_id in living:
                if number % 2:
                    with self.sessions.begin() as session:
                        LeaseRepository(session).heartbeat(job_id, 1)


def set_clock(world: World, seconds: float) -> None:
    """Set the clock once, while one worker works, another has just ended, and messages wait."""
    world.recovery.run()
    living, dead, pushed = world.running(), world.running(), make_job(world.sessions).id
    world.write(lambda session: RecoveryRepository(session).mark_pushed([pushed]))
    webhook = make_webhook(world.sessions)
    made, claimed = (make_delivery(world.sessions, webhook).id for _ in range(2))
    with world.sessions.begin() as session:
        DispatchRepository(session).claim(1)
        workers = WorkerRepository(session)
        workers.register(make_worker("gpu@test", heartbeat_at=now()))
        HeartbeatRepository(session).record()

    world.step(seconds)
    world.faults += 1
    at = f"after {seconds:+} s"
    if seconds < 0:
        due = due_messages(world)
        world.expect(due >= {made, claimed}, f"{at} messages to webhooks stay")

    world.recover_for(190, living)
    world.expect(world.job(living).status is JobState.running, f"{at} a living worker lost its job")
    world.expect(world.job(dead).status is JobState.queued, f"{at} a dead worker's job is held")
    with world.sessions.begin() as session:
        ids = RecoveryRepository(session).unpushed(1000)
        world.expect(pushed in ids, f"{at} a lost push is not made again")
        alive = WorkerRepository(session).alive_queues()
        world.expect(not alive, f"{at} a worker that is silent for three minutes is called alive")
        silence = HeartbeatRepository(session).age()
        world.expect(silence is not None and abs(silence) > MINUTE * timedelta(seconds=1), at)
    if seconds > 0:
        due = due_messages(world)
        world.expect(due >= {made, claimed}, f"{at} messages to webhooks stay")
    world.write(lambda session: LeaseRepository(session).succeed(living, 1, {}, []))


def due_messages(world: World) -> set[str]:
    with world.sessions.begin() as session:
        return {one.id for one in DispatchRepository(session).claim(1000)}


def sleep_and_wake(world: World, seconds: float) -> None:
    """Suspend the machine three times while one worker works."""
    job_id = world.running()
    for number in range(3):
        world.recover_for(30, job_id)
        world.step(seconds)
        world.faults += 1
        world.recover_for(60, job_id)
        job = world.job(job_id)
        held = (job.status, job.attempt, job.crashes) == (JobState.running, 1, 0)
        world.expect(held, f"sleep {number} of {seconds} s took a job from its worker")
    world.write(lambda session: LeaseRepository(session).succeed(job_id, 1, {}, []))


def main() -> None:
    """Do it all, and print how many times the clock was set and what broke."""
    database, folder, clock = sys.argv[1:]
    world = World(database, Path(folder), WallClock(Path(clock)))
    for seconds in STEPS:
        set_clock(world, seconds)
    for seconds in SLEEPS:
        sleep_and_wake(world, seconds)
    sys.stdout.write(json.dumps({"faults": world.faults, "broken": world.broken}))


if __name__ == "__main__":
    main()
