"""The device that jobs compute on; ``python -m worker.device`` prints it as JSON.

Detection runs in its own process, because the worker's parent process must never import torch.
"""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

import psutil

TIMEOUT_S = 120
EXIT_UNAVAILABLE = 3
DRIVER_FILES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


@dataclass(frozen=True)
class Device:
    """A device and its memory."""

    name: str
    memory_bytes: int


class NoDeviceError(Exception):
    """This machine does not have the requested device; the text says why."""


def detect(name: str, count: int = 1) -> Device:
    """Return the device that jobs compute on; imports torch.

    Args:
        name: the name of a device, as in ``ZPRUNER_DEVICE``.
        count: the number of GPUs that must be available; not used for the CPU.

    Raises:
        NoDeviceError: the machine does not have the requested devices, or ``name`` is a single GPU,
            such as ``cuda:1``, and ``count`` is greater than 1.
    """
    torch = import_module("torch")
    device = import_module("worker.pruning.base.compute").compute_device(name)
    if device.type == "cuda":
        available = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if device.index is not None and count > 1:
            raise NoDeviceError(f"{name} is one device, and {count} are requested")
        if (device.index or 0) + count > available:
            raise NoDeviceError(f"torch {torch.__version__} finds {available} CUDA devices")
        properties = torch.cuda.get_device_properties(device)
        return Device(f"cuda: {properties.name}", properties.total_memory)
    return Device(device.type, psutil.virtual_memory().total)


def is_cpu(name: str) -> bool:
    """Whether jobs certainly compute on the CPU."""
    return name == "cpu" or (name == "auto" and not _may_have_gpu())


def detect_in_subprocess(name: str, count: int = 1) -> Device:
    """Return the result of `detect` without importing torch into this process.

    `detect` runs in another process. If the device is certainly the CPU, no process is started.

    Raises:
        NoDeviceError: as in `detect`.
        SubprocessError: the other process failed or took longer than `TIMEOUT_S`.
    """
    if is_cpu(name):
        return Device("cpu", psutil.virtual_memory().total)
    command = [sys.executable, "-P", "-m", "worker.device", name, str(count)]
    done = subprocess.run(  # noqa: S603 - our own module, no shell
        command, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if done.returncode == EXIT_UNAVAILABLE:
        raise NoDeviceError(done.stderr.strip())
    done.check_returncode()
    return Device(**json.loads(done.stdout))


def _may_have_gpu() -> bool:
    """Whether a GPU driver is present, even if torch cannot use it; outside Linux always True."""
    return sys.platform != "linux" or any(Path(file).exists() for file in DRIVER_FILES)


def main() -> None:
    try:
        sys.stdout.write(json.dumps(asdict(detect(sys.argv[1], *map(int, sys.argv[2:])))))
    except NoDeviceError as error:
        sys.stderr.write(str(error))
        sys.exit(EXIT_UNAVAILABLE)


if __name__ == "__main__":
    main()
