"""The measured speed of this machine, kept in a file for all jobs, and measured again when due."""

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch

from worker.pruning.base.compute import dtype_name
from worker.pruning.base.durable_files import move_into_place
from worker.pruning.base.speed import Speed
from worker.pruning.base.waiting import WaitingClock
from worker.pruning.planning.machine_benchmark import benchmark
from worker.pruning.planning.processor import processor_name

logger = logging.getLogger(__name__)

MAX_AGE_S = 7 * 24 * 3600.0
"""The age at which a speed is measured again; a machine changes with its kernel and its host."""
BUSY_FOR_S = 600.0
"""The age at which a speed that was measured on a busy machine is measured again."""
CONTRADICTED_AFTER_S = 3600.0
"""The age at which a speed that jobs contradict is measured again."""
BUSY_SHARE = 0.1
"""A machine is busy if the thread that measures it waits for a processor for a larger share."""
SIMILAR = 1.5
"""Two measurements are of the same machine if no speed differs by a larger factor."""


@dataclass(frozen=True)
class MeasuredSpeed:
    """The speed of a machine, and when it was measured.

    Attributes:
        measured_at: seconds since 1970.
        valid_since: when a similar speed was first measured. Jobs from before were predicted from
            another speed.
        was_busy: whether other programs used the processors, so that the machine may be faster.
    """

    speed: Speed
    measured_at: float
    valid_since: float
    was_busy: bool = False

    def is_due(self, now: float, *, contradicted: bool) -> bool:
        """Return whether the speed has to be measured again.

        ``contradicted`` tells whether jobs since `valid_since` took far longer or shorter than this
        speed predicts.
        """
        age = now - self.measured_at
        longest = [MAX_AGE_S, *[BUSY_FOR_S] * self.was_busy, *[CONTRADICTED_AFTER_S] * contradicted]
        return not 0 <= age <= min(longest)  # a clock that was set back makes it negative

    def succeeded_by(self, other: "MeasuredSpeed") -> "MeasuredSpeed":
        """Return what is known after another measurement.

        If that was made on a busy machine, each kind of work has the higher of both speeds: other
        programs can make a machine slower, but not faster.
        """
        speed = other.speed
        if other.was_busy:
            speed = Speed(*(max(pair) for pair in _pairs(self.speed, other.speed)))
        if all(max(pair) <= SIMILAR * min(pair) for pair in _pairs(self.speed, speed)):
            return replace(other, speed=speed, valid_since=self.valid_since)
        return replace(other, speed=speed)


def measured_speed(
    file: Path, device: torch.device, dtype: torch.dtype, *, contradicted: bool = False
) -> MeasuredSpeed | None:
    """Return the speed of this machine, read from the file or measured in a second or two.

    Args:
        file: stores speeds by device, dtype and torch's version, and on a CPU also by number of
            threads. Disk speeds are measured in its folder.
        device: the device of the forward passes.
        dtype: the dtype of the forward passes.
        contradicted: whether jobs since it is valid took far longer or shorter than it predicts.

    Returns:
        The speed; None if it has to be measured and the folder of ``file`` cannot be written to.
        No error is raised in this case, because a job can run without a prediction.
    """
    name, speeds = _name(device, dtype), _read(file)
    known = speeds.get(name)
    if known is not None and not known.is_due(time.time(), contradicted=contradicted):
        return known
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        measured = _measured(file.parent, device, dtype)
        speeds[name] = known.succeeded_by(measured) if known else measured
        _write(file, speeds)
    except OSError as error:
        logger.warning("Cannot store the speed of this machine in %s: %s", file, error)
    return speeds.get(name)


def _measured(folder: Path, device: torch.device, dtype: torch.dtype) -> MeasuredSpeed:
    clock = WaitingClock()
    speed = benchmark(folder, device, dtype)
    now, share = time.time(), clock.share()
    return MeasuredSpeed(speed, now, now, share is not None and share > BUSY_SHARE)


def _read(file: Path) -> dict[str, MeasuredSpeed]:
    """Return the speeds in the file; an empty dict if it is missing or has another format."""
    try:
        stored = json.loads(file.read_text())
        return {
            name: MeasuredSpeed(**values | {"speed": Speed(**values["speed"])})
            for name, values in stored.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}


def _write(file: Path, speeds: dict[str, MeasuredSpeed]) -> None:
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


def _pairs(speed: Speed, other: Speed) -> Iterator[tuple[float, float]]:
    return ((getattr(speed, field.name), getattr(other, field.name)) for field in fields(Speed))
