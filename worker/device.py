"""What this machine computes on: ``python -m worker.device`` answers in JSON.

A program of its own, because the worker's parent process must never import torch.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

import psutil

WITHIN_S = 120
ABSENT = 3


@dataclass(frozen=True)
class Device:
    """Where jobs are computed, and how much memory there is."""

    name: str
    memory_bytes: int


class NoDeviceError(Exception):
    """The device that is asked for is not there; the text says why."""


def look(wanted: str, count: int = 1) -> Device:
    """Return what a job would compute on, with ``count`` devices; imports torch.

    Raises:
        NoDeviceError: this machine lacks it.
    """
    torch = import_module("torch")
    device = import_module("worker.pruning.base.compute").compute_device(wanted)
    if device.type == "cuda":
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if device.index is not None and count > 1:
            raise NoDeviceError(f"it is one device, and {count} are asked for")
        if (device.index or 0) + count > there:
            raise NoDeviceError(f"torch {torch.__version__} finds {there} CUDA devices here")
        properties = torch.cuda.get_device_properties(device)
        return Device(f"cuda: {properties.name}", properties.total_memory)
    return Device(device.type, psutil.virtual_memory().total)


def is_cpu(wanted: str) -> bool:
    """Whether jobs are computed on the CPU without a doubt."""
    return wanted == "cpu" or (wanted == "auto" and not _has_gpu())


def ask(wanted: str, count: int = 1) -> Device:
    """Have another process look, if there is anything to see.

    Raises:
        NoDeviceError: this machine lacks it.
        SubprocessError: it could not look.
    """
    if is_cpu(wanted):
        return Device("cpu", psutil.virtual_memory().total)
    command = [sys.executable, "-P", "-m", "worker.device", wanted, str(count)]
    done = subprocess.run(  # noqa: S603 - our own module, no shell
        command, capture_output=True, text=True, timeout=WITHIN_S
    )
    if done.returncode == ABSENT:
        raise NoDeviceError(done.stderr.strip())
    done.check_returncode()
    return Device(**json.loads(done.stdout))


def _has_gpu() -> bool:
    """Whether a driver has left its mark; torch decides whether it can use it."""
    marks = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    return sys.platform != "linux" or any(Path(mark).exists() for mark in marks)


def main() -> None:
    """Print the device as JSON; where there is none, end with a code that says so."""
    try:
        sys.stdout.write(json.dumps(asdict(look(sys.argv[1], *map(int, sys.argv[2:])))))
    except NoDeviceError as error:
        sys.stderr.write(str(error))
        sys.exit(ABSENT)


if __name__ == "__main__":
    main()
