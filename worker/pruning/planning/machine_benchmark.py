"""Measuring how fast this machine is, once for all jobs."""

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
from worker.pruning.planning.processor import processor_name
from worker.pruning.planning.speed import Speed

log = logging.getLogger(__name__)

_RUNS = 5
_TOKENS = {"cpu": 512, "cuda": 16_384}
_IN, _OUT = 1024, 2048
_NUMBERS = {"cpu": 4 << 20, "cuda": 64 << 20}
_FILE_BYTES = 16 << 20


def machine_speed(file: Path, device: torch.device, dtype: torch.dtype) -> Speed | None:
    """Return what was measured here before, or measure it now, within a second or two.

    None where files cannot be written: a prediction is worth no failure.

    Args:
        file: remembers it by device, threads, dtype and version of torch. Whoever deletes it has
            it measured again; its folder is where files are written to try.
        device: what computes.
        dtype: what the forwards compute in.
    """
    name, known = _name(device, dtype), _remembered(file)
    try:
        if name not in known:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            known[name] = _measured(file.parent, device, dtype)
            _remember(file, known)
    except OSError as error:
        log.warning("the speed of this machine is not known: %s", error)
    return known.get(name)


def _remembered(file: Path) -> dict[str, Speed]:
    """Return what the file holds; what another version of this program wrote is nothing."""
    try:
        return {name: Speed(**values) for name, values in json.loads(file.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(file: Path, known: dict[str, Speed]) -> None:
    written = file.with_suffix(f".{os.getpid()}")
    content = {name: asdict(speed) for name, speed in known.items()}
    written.write_text(json.dumps(content, indent=2) + "\n")
    move_into_place(written, file)


def _name(device: torch.device, dtype: torch.dtype) -> str:
    if device.type == "cuda":
        place = torch.cuda.get_device_name(device)
    else:
        place = f"{processor_name()}, {torch.get_num_threads()} threads"
    return f"{place}, {dtype_name(dtype)}, torch {torch.__version__}"


@torch.no_grad()
def _measured(folder: Path, device: torch.device, dtype: torch.dtype) -> Speed:
    fix_malloc_thresholds()  # as in a sweep, where large results are fresh memory each time
    inputs = torch.randn(_TOKENS[device.type], _IN, device=device, dtype=dtype)
    weight = torch.randn(_OUT, _IN, device=device)
    square = weight.T @ weight / _OUT
    numbers = torch.randn(_NUMBERS[device.type], device=device)
    cast = weight.to(dtype)

    def factor() -> object:
        return torch.cholesky_inverse(torch.linalg.cholesky(square))

    speed = Speed(
        forward_matmul=2
        * inputs.numel()
        * _OUT
        / _seconds(lambda: functional.linear(inputs, cast)),
        fp32_matmul=2 * weight.numel() * _IN / _seconds(lambda: weight @ square),
        factorization=_IN**3 / _seconds(factor),
        elementwise=2 * numbers.nbytes / _seconds(lambda: numbers * 2),
        **_files(folder),
    )
    trim_heap()
    return speed


def _files(folder: Path) -> dict[str, float]:
    """Return the speeds of reading what is not in memory, and of writing and hashing."""
    content = os.urandom(_FILE_BYTES)
    with TemporaryDirectory(prefix="speed-", dir=folder) as scratch:
        path = Path(scratch) / "bytes"

        def write() -> None:
            path.write_bytes(content)
            fsync(path)
            sha256(path)

        writing = _FILE_BYTES / _timed(write)
        _forget(path)
        reading = _FILE_BYTES / _timed(path.read_bytes)
    return {"reading": reading, "writing": writing}


def _forget(path: Path) -> None:
    """Have the system drop a file from its cache, where it can be told to."""
    if hasattr(os, "posix_fadvise"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _seconds(run: Callable[[], object]) -> float:
    """Return the median of some runs, after one that warms up."""
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
