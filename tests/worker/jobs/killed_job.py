"""Run a job in a process that is killed by signal 9 in the middle of a phase."""

from pathlib import Path

from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from tests.worker.processes import run_until_killed
from tests.worker.work import after, kill_process
from worker.jobs.progress import JobProgress
from worker.jobs.prune import prune
from worker.jobs.resources import Resources


def run_killed(
    spec: PruneSpec,
    out: Path,
    phase: Phase,
    *,
    step: tuple[int, int] | None = None,
    count: int = 2,
) -> None:
    """Run a job until it is killed, at its n-th progress in a phase.

    Args:
        spec: the job.
        out: the folder of its result.
        phase: the phase in which it is killed.
        step: the step of a gradual job in which it is killed, and their number.
        count: n.
    """
    run_until_killed(_run, spec, out, phase, step, count)


def _run(
    spec: PruneSpec, out: Path, phase: Phase, step: tuple[int, int] | None, count: int
) -> None:
    left = count

    def is_time(progress: JobProgress) -> bool:
        nonlocal left
        left -= progress.phase is phase and progress.step == step
        return left == 0

    for _ in after(is_time, kill_process, prune)(spec, out, Resources(device="cpu")):
        pass
