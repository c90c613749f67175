"""Small pieces of work for the glue to run: real generators, no model."""

import os
import signal
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import worker.attempts.run
from db.spec.prune_spec import PruneSpec
from worker.attempts.run import Prune
from worker.jobs.resources import Resources


@dataclass(frozen=True)
class Step:
    phase: str
    fraction: float
    block: tuple[int, int, str] | None = None
    report: dict[str, Any] | None = None
    resumed_from_block: int | None = None


@dataclass(frozen=True)
class Outcome:
    metrics: dict[str, Any]


def work(blocks: int = 3, before: Callable[[int], None] = lambda _: None) -> Prune:
    """Return work of some blocks that calls ``before`` in each and writes one file."""

    def prune(spec: PruneSpec, out: Path, resources: Resources) -> Generator[Step, None, Outcome]:
        yield Step("resolving", 0.0)
        for index in range(blocks):
            before(index)
            report = {"sparsity": spec.sparsity}
            block = (index, blocks, f"layers.{index}")
            yield Step("pruning", (index + 1) / blocks, block, report)
        (out / "model").mkdir()
        (out / "model" / "config.json").write_text("{}")
        return Outcome({"sparsity": spec.sparsity})

    return prune


def after_block(block: int, act: Callable[[], None], work: Prune) -> Prune:
    """Return work that does something when this block is done."""

    def prune(
        spec: PruneSpec, out: Path, resources: Resources
    ) -> Generator[worker.attempts.run.Step, None, worker.attempts.run.Outcome]:
        steps = work(spec, out, resources)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                outcome: worker.attempts.run.Outcome = end.value
                return outcome
            if step.block is not None and step.block[0] == block:
                act()
            yield step

    return prune


def killed_after(block: int, work: Prune) -> Prune:
    """Return work that kills its process with signal 9 when this block is done."""
    return after_block(block, lambda: os.kill(os.getpid(), signal.SIGKILL), work)
