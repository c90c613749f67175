"""Batches of inputs, each run in a forked process that reports the outcome of each input."""

import json
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from traceback import format_exc

import datasets

from tests.fuzz.guard import Guard
from tests.fuzz.jobs import Outcome, World

MOST_PEAK_BYTES = 256 << 20
"""The most by which the memory of a process may grow for one input."""

Input = tuple[str, int]
"""The kind of an input, and the number that determines it."""


@dataclass(frozen=True)
class Report:
    """The outcome of one input."""

    input: Input
    outcome: Outcome


def reports(world: World, inputs: Sequence[Input]) -> Iterator[Report]:
    """Run the inputs; a process that ends early is a fault of its last input."""
    left = list(inputs)
    while left:
        done, status = _batch(world, left)
        yield from (Report(one, outcome) for one, outcome in zip(left, done, strict=False))
        left = left[len(done) :]
        if left and status:
            yield Report(left.pop(0), Outcome("crash", [_end(status)]))


def _batch(world: World, inputs: Sequence[Input]) -> tuple[list[Outcome], int]:
    """Run the inputs in a process; return the outcomes that it reported, and how it ended."""
    receiving, sending = os.pipe()
    sys.stdout.flush()
    if (process := os.fork()) == 0:
        _serve(world, inputs, sending)
    os.close(sending)
    with os.fdopen(receiving) as lines:
        outcomes = [Outcome(**json.loads(line)) for line in lines]
    return outcomes, os.waitpid(process, 0)[1]


def _serve(world: World, inputs: Sequence[Input], sending: int) -> None:
    try:
        # Whatever the input is, the library caches a task's data set, and reports its use.
        datasets.config.HF_DATASETS_CACHE = world.root / "cache"
        datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
        guard = Guard(world.root, world.outside)
        with os.fdopen(sending, "w") as file:
            for kind, number in inputs:
                before = _peak_bytes()
                outcome = world.outcome(kind, number, guard)
                if (grown := _peak_bytes() - before) > MOST_PEAK_BYTES:
                    outcome.faults.append(f"it took {grown >> 20} MiB")
                print(json.dumps(vars(outcome)), file=file, flush=True)
    except BaseException:  # as a child, it must not go on as the test
        sys.stderr.write(format_exc())
        os._exit(1)
    os._exit(0)


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _end(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"its process ended with {ended}"
