"""Measuring the speed of this machine, once for all jobs."""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from torch.nn import functional

from worker.pruning.base.compute import dtype_name
from worker.pruning.base.durable_files import fsync, move_into_place, sha256
from worker.pruning.base.memory import fix_malloc_thresholds, trim_heap
from worker.pruning.base.speed import Speed
from worker.pruning.planning.processor import processor_name
from worker.pruning.stats.gram import GramMoments, products_share

log = logging.getLogger(__name__)

_RUNS = 5
_TOKENS = {"cpu": 512, "cuda": 16_384}
_IN, _OUT = 1024, 2048
_NUMBERS = {"cpu": 4 << 20, "cuda": 64 << 20}
_FILE_BYTES = 16 << 20


def machine_speed(file: Path, device: torch.device, dtype: torch.dtype) -> Speed | None:
    """Return the speed of this machine, read from the file or measured in one or two seconds.

    Args:
        file: stores speeds by device, dtype and torch's version, and on a CPU also by number of
            threads. Delete the file to measure again. Disk speeds are measured in its folder.
        device: the device of the forward passes.
        dtype: the dtype of the forward passes.

    Returns:
        The speed; None if it has to be measured and the folder of ``file`` cannot be written to.
        No error is raised in this case, because a job can run without a prediction.
    """
    name, speeds = _name(device, dtype), _read(file)
    try:
        if name not in speeds:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            speeds[name] = _measure(file.parent, device, dtype)
            _write(file, speeds)
    except OSError as error:
        log.warning("Cannot store the speed of this machine in %s: %s", file, error)
    return speeds.get(name)


def _read(file: Path) -> dict[str, Speed]:
    """Return the speeds in the file; an empty dict if it is missing or has another format."""
    try:
        return {name: Speed(**values) for name, values in json.loads(file.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write(file: Path, speeds: dict[str, Speed]) -> None:
    temporary = file.with_suffix(f".{os.getpid()}")
    content = {name: asdict(speed) for name, speed in speeds.items()}
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    move_into_place(temporary, file)


def _name(device: torch.device, dtype: torch.dtype) -> str:
    if device.type == "cuda":
        hardware = torch.cuda.get_device_name(device)
    else:
        hardware = f"{processor_name()}, {torch.get_num_threads()} threads"
    return f"{hardware}, {dtype_name(dtype)}, torch {torch.__version__}"


@torch.no_grad()
def _measure(folder: Path, device: torch.device, dtype: torch.dtype) -> Speed:
    fix_malloc_thresholds()  # as in a sweep, where every large result is newly allocated
    inputs = torch.randn(_TOKENS[device.type], _IN, device=device, dtype=dtype)
    weight = torch.randn(_OUT, _IN, device=device)
    square = weight.T @ weight / _OUT
    numbers = torch.randn(_NUMBERS[device.type], device=device)
    cast, moments = weight.to(dtype), GramMoments()
    added = products_share(_IN) * inputs.numel() * _IN

    def factor() -> object:
        return torch.cholesky_inverse(torch.linalg.cholesky(square))

    speed = Speed(
        forward_matmul=2
        * inputs.numel()
        * _OUT
        / _seconds(lambda: functional.linear(inputs, cast)),
        fp32_matmul=2 * weight.numel() * _IN / _seconds(lambda: weight @ square),
        gram_matmul=2 * added / _seconds(lambda: moments.add(inputs)),
        factorization=_IN**3 / _seconds(factor),
        elementwise=2 * numbers.nbytes / _seconds(lambda: numbers * 2),
        **_files(folder),
    )
    trim_heap()
    return speed


def _files(folder: Path) -> dict[str, float]:
    """Return the speeds of reading a file, and of writing and hashing one, in bytes per second."""
    content = os.urandom(_FILE_BYTES)
    with TemporaryDirectory(prefix="speed-", dir=folder) as scratch:
        path = Path(scratch) / "bytes"

        def write() -> None:
            path.write_bytes(content)
            fsync(path)
            sha256(path)

        writing = _FILE_BYTES / _timed(write)
        _drop_from_cache(path)
        reading = _FILE_BYTES / _timed(path.read_bytes)
    return {"reading": reading, "writing": writing}


def _drop_from_cache(path: Path) -> None:
    """Have the system drop a file from its page cache, on platforms that support this."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _seconds(run: Callable[[], object]) -> float:
    """Return the median time, in seconds, of five runs after a warm-up run."""
    run()
    return median(_timed(run) for _ in range(_RUNS))


def _timed(run: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started = perf_counter()
    run()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return perf_counter() - started
