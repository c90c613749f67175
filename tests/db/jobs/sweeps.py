"""Sweeps and their jobs."""

from db.core.session import Sessions
from db.jobs.repository import NewJob
from db.jobs.sweeps import Point, SweepRepository
from db.spec.quality_gate import Gate
from db.tables.jobs import Sweep
from tests.factories import make_spec


def make_sweep(sessions: Sessions, count: int = 4, max_parallel: int | None = None) -> Sweep:
    points = [
        Point({"sparsity": share / 100}, make_spec(sparsity=share / 100)) for share in range(count)
    ]
    common = NewJob(
        make_spec(),
        name="nightly",
        labels={"team": "a"},
        gate=Gate(min={"sparsity": 0.5}),
        warnings=("not checked",),
    )
    with sessions.begin() as session:
        return SweepRepository(session).add(points, common, max_parallel=max_parallel)


def job_ids(sessions: Sessions, sweep: Sweep) -> list[str]:
    with sessions() as session:
        return [job.id for job in SweepRepository(session).jobs(sweep.id)]
