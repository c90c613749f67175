"""Rounds in which two models are measured one after the other."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from worker.benchmark.measurement import Measurement, measure
from worker.benchmark.runtime import Runtime

ROUNDS = 9


@dataclass(frozen=True)
class Round:
    """The measurements of one round."""

    dense: Measurement
    pruned: Measurement


def measured_rounds(
    runtime: Runtime, dense: Path, pruned: Path, prompt: list[int]
) -> Generator[float, None, list[Round]]:
    """Measure both models in each of nine rounds; every other round begins with the pruned one.

    Each measurement loads its model anew, so that only one is in memory, and because the place of
    the weights in memory changes the speed a little.

    Args:
        runtime: the program that runs the models.
        dense: the dense model.
        pruned: the pruned model.
        prompt: the token ids of the prompt.

    Yields:
        The share that is done, after each measurement. No model is in memory then.
    """
    rounds = []
    for number in range(ROUNDS):
        models = [("dense", dense), ("pruned", pruned)]
        measurements: dict[str, Measurement] = {}
        for name, path in models if number % 2 == 0 else models[::-1]:
            measurements[name] = measure(runtime, path, prompt)
            yield (number + len(measurements) / 2) / ROUNDS
        rounds.append(Round(**measurements))
    return rounds
