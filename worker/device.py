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


@dataclass(frozen=True)
class Device:
    """Where jobs are computed, and how much memory there is."""

    name: str
    memory_bytes: int


def look(wanted: str) -> Device:
    """Return what a job would compute on; imports torch."""
    torch = import_module("torch")
    device = import_module("worker.pruning.compute").compute_device(wanted)
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return Device(f"cuda: {properties.name}", properties.total_memory)
    return Device(device.type, psutil.virtual_memory().total)


def ask(wanted: str) -> Device:
    """Have another process look, if there is anything to see.

    Raises:
        CalledProcessError, TimeoutExpired: it could not.
    """
    if wanted == "cpu" or (wanted == "auto" and not _has_gpu()):
        return Device("cpu", psutil.virtual_memory().total)
    command = [sys.executable, "-m", "worker.device", wanted]
    done = subprocess.run(  # noqa: S603 - our own module, no shell
        command, capture_output=True, text=True, check=True, timeout=WITHIN_S
    )
    return Device(**json.loads(done.stdout))


def _has_gpu() -> bool:
    """Whether a driver has left its mark; torch decides whether it can use it."""
    marks = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
    return sys.platform != "linux" or any(Path(mark).exists() for mark in marks)


if __name__ == "__main__":
    print(json.dumps(asdict(look(sys.argv[1]))))  # noqa: T201 - its answer
