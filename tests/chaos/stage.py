"""A world, its processes, and an undisturbed job to compare with."""

from collections.abc import Callable
from typing import Any

from db.core.session import Sessions
from db.jobs.repository import JobRepository
from db.spec.prune_spec import PruneSpec
from db.tables.jobs import Job
from tests.chaos import programs
from tests.chaos.fault_injection import FaultPlan
from tests.chaos.forks import KILLED, Forks
from tests.chaos.programs import SPEC, Program, World
from tests.chaos.tally import Tally, broken, weights
from tests.factories import expire_lease, make_job
from worker.settings import WorkerSettings


class Stage:
    """Where programs are disturbed, and what they leave is checked."""

    def __init__(self, world: World, sessions: Sessions, forks: Forks, tally: Tally) -> None:
        self.world, self.sessions, self.forks, self.tally = world, sessions, forks, tally
        self.artifact_dir = world.settings(WorkerSettings).artifact_dir
        self.database: str = sessions.kw["bind"].dialect.name
        self.whole: dict[str, str] = {}

    def kill_at_each_write(
        self,
        part: str,
        program: Program,
        prepare: Callable[[], tuple[Any, ...]],
        check: Callable[..., None],
    ) -> None:
        """Kill a program at each of its writes, and once after the last, where it has ended.

        Args:
            part: the part of the service, for the count of all faults.
            prepare: makes what the program writes about, and returns the program's arguments.
            check: repairs what the killed program left, and notes what is broken; its arguments are
                the number of the write and those of the program.
        """
        writes = self.forks.count("kill", program, *prepare())
        for at in range(1, writes + 1):
            arguments = prepare()
            code = self.forks.run(FaultPlan("kill", at), program, *arguments)
            assert code == KILLED, f"{part} ended with {code} before write {at} of {writes}"
            self.tally.fault(f"{part} killed at each of {writes} writes on {self.database}")
            check(at, *arguments)
        code = self.forks.run(FaultPlan("kill", writes + 1), program, *prepare())
        assert code == 0, f"{part} has more than the {writes} writes that were counted"
        assert self.tally.violations == []

    def new_job(self, spec: PruneSpec = SPEC) -> str:
        return make_job(self.sessions, spec).id

    def job(self, job_id: str) -> Job:
        with self.sessions() as session:
            return JobRepository(session).get(job_id)

    def recover(self, job_id: str) -> None:
        """Let the lease of a job end, if there is one, and requeue the job."""
        if self.job(job_id).lease_until is not None:
            expire_lease(self.sessions, job_id)
        programs.repair(self.world, self.sessions)

    def finish(self, job_id: str) -> None:
        """Let a healthy worker take the job, if it is not over; what it leaves is checked later."""
        programs.work(self.world, self.sessions, job_id, "healthy")

    def finish_undisturbed(self, program: Program = programs.work, spec: PruneSpec = SPEC) -> None:
        """Run a job without a fault, whose files all others must have."""
        job_id = self.new_job(spec)
        assert self.forks.count("kill", program, job_id, "undisturbed") > 0
        self.whole = weights(self.sessions, job_id)
        assert self.whole

    def check(self, context: str, job_id: str) -> None:
        """Note what is broken about a job that should have ended well."""
        self.tally.check(context, broken(self.sessions, self.artifact_dir, job_id, self.whole))
