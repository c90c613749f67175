"""Work for `Runner` in tests: real generators, without a model."""

import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from worker.attempts.run import Prune
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources

WARNING = "it is made up"


def work(blocks: int = 3, before: Callable[[int], None] = lambda _: None) -> Prune:
    """Return work of some blocks that calls ``before`` for each block and writes one file."""

    def prune(
        spec: PruneSpec, out: Path, resources: Resources
    ) -> Generator[JobProgress, None, JobResult]:
        yield JobProgress(Phase.resolving, 0.0)
        for index in range(blocks):
            before(index)
            report = {"sparsity": spec.sparsity}
            block = (index, blocks, f"layers.{index}")
            yield JobProgress(Phase.pruning, (index + 1) / blocks, block, report)
        (out / "model").mkdir()
        (out / "model" / "config.json").write_text("{}")
        return JobResult({"sparsity": spec.sparsity}, warnings=(WARNING,))

    return prune


def after(is_time: Callable[[JobProgress], bool], act: Callable[[], None], work: Prune) -> Prune:
    """Return work that calls ``act`` before it reports the progress that it is time for."""

    def prune(
        spec: PruneSpec, out: Path, resources: Resources
    ) -> Generator[JobProgress, None, JobResult]:
        steps = work(spec, out, resources)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: JobResult = end.value
                return result
            if is_time(step):
                act()
            yield step

    return prune


def after_block(block: int, act: Callable[[], None], work: Prune) -> Prune:
    """Return work that calls ``act`` when this block is finished."""
    return after(lambda step: step.block is not None and step.block[0] == block, act, work)


def after_step(number: int, act: Callable[[], None], work: Prune) -> Prune:
    """Return work that calls ``act`` when this step of a recovery's training is finished."""
    done = {"stage": "training", "step": number}
    return after(lambda step: (step.recovery or {}).items() >= done.items(), act, work)


def kill_process() -> None:
    """End this process by signal 9."""
    os.kill(os.getpid(), signal.SIGKILL)
