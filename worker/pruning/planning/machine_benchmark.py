"""Measuring the speed of this machine."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from torch.nn import functional

from worker.pruning.base.durable_files import fsync, sha256
from worker.pruning.base.memory import fix_malloc_thresholds, trim_heap
from worker.pruning.base.speed import Speed
from worker.pruning.stats.gram import GramMoments, products_share

_ROUNDS, _RUNS = 3, 3
"""Each kind of work runs in several rounds, so that a moment in which other programs have the
processors slows down few of its runs."""
_TOKENS = {"cpu": 512, "cuda": 16_384}
_IN, _OUT = 1024, 2048
_ROWS = 512  # of the weight that is multiplied in fp32
_NUMBERS = {"cpu": 4 << 20, "cuda": 64 << 20}
_FEW = 16
"""Numbers of a call whose arithmetic takes no time."""
CALLS = 500
_FILE_BYTES = 16 << 20

Work = Mapping[str, tuple[float, Callable[[], object]]]
"""For each kind of work, an amount of it, and a function that does it."""


@torch.no_grad()
def benchmark(folder: Path, device: torch.device, dtype: torch.dtype) -> Speed:
    """Return the speed of this machine, measured in a second or two.

    The time of each kind of work is the shortest of several runs: other programs can make a run
    slower, but none faster.

    Args:
        folder: the folder whose disk is measured.
        device: the device of the forward passes.
        dtype: the dtype of the forward passes.
    """
    fix_malloc_thresholds()  # as in a sweep, where every large result is newly allocated
    work = _computing(device, dtype) | dict(_calling(device))
    best = dict.fromkeys(work, float("inf"))
    for _, run in work.values():
        run()
    for _ in range(_ROUNDS):
        for kind, (_, run) in work.items():
            best[kind] = min(best[kind], *(timed(run) for _ in range(_RUNS)))
    rates = {kind: amount / best[kind] for kind, (amount, _) in work.items()}
    trim_heap()
    return Speed(**rates, **_files(folder))


@torch.no_grad()
def sustained(kind: str, device: torch.device, seconds: float) -> float:
    """Return how much of one kind of work this machine does now, in a second.

    Args:
        kind: ``fp32_matmul`` or ``calls``.
        device: the device of the forward passes.
        seconds: how long to measure, on an idle machine.
    """
    works = _products(device) if kind == "fp32_matmul" else _calling(device)
    amount, run = works[kind]
    run()
    count, spent = 0, 0.0
    while spent < seconds:
        spent += timed(run)
        count += 1
    return count * amount / spent


def _computing(
    device: torch.device, dtype: torch.dtype
) -> dict[str, tuple[float, Callable[[], object]]]:
    inputs = torch.randn(_TOKENS[device.type], _IN, device=device, dtype=dtype)
    weight = torch.randn(_OUT, _IN, device=device)
    square = weight.T @ weight / _OUT
    numbers = torch.randn(_NUMBERS[device.type], device=device)
    cast, moments = weight.to(dtype), GramMoments()
    added = products_share(_IN) * inputs.numel() * _IN

    def factor() -> object:
        return torch.cholesky_inverse(torch.linalg.cholesky(square))

    return {
        "forward_matmul": (
            2.0 * inputs.numel() * _OUT,
            lambda: functional.linear(inputs, cast),
        ),
        **_products(device),
        "gram_matmul": (2.0 * added, lambda: moments.add(inputs)),
        "factorization": (float(_IN**3), factor),
        "elementwise": (2.0 * numbers.nbytes, lambda: numbers * 2),
    }


def _products(device: torch.device) -> Work:
    weight, square = (torch.randn(rows, _IN, device=device) for rows in (_ROWS, _IN))
    return {"fp32_matmul": (2.0 * weight.numel() * _IN, lambda: weight @ square)}


def _calling(device: torch.device) -> Work:
    few = torch.zeros(_FEW, device=device)

    def call() -> None:
        for _ in range(CALLS):
            few * 2

    return {"calls": (float(CALLS), call)}


def _files(folder: Path) -> dict[str, float]:
    """Return the speeds of reading a file, and of writing and hashing one, in bytes per second."""
    content, reading, writing = os.urandom(_FILE_BYTES), float("inf"), float("inf")
    with TemporaryDirectory(prefix="speed-", dir=folder) as scratch:
        path = Path(scratch) / "bytes"

        def write() -> None:
            path.write_bytes(content)
            fsync(path)
            sha256(path)

        for _ in range(_ROUNDS):
            writing = min(writing, timed(write))
            _drop_from_cache(path)
            reading = min(reading, timed(path.read_bytes))
    return {"reading": _FILE_BYTES / reading, "writing": _FILE_BYTES / writing}


def _drop_from_cache(path: Path) -> None:
    """Have the system drop a file from its page cache, on platforms that support this."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that a function takes, until a GPU, too, has done its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started = perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter() - started
