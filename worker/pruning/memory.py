"""How much memory there is, and how much was taken."""

import ctypes
import re
from pathlib import Path

import psutil
import torch


def peak_resident_bytes() -> int:
    """Return the most memory that was resident in this process at any time."""
    status = Path("/proc/self/status")
    if status.is_file() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found[1]) * 1024
    return int(psutil.Process().memory_info().rss)


def available_bytes(device: torch.device) -> int:
    """Return how much memory the device has left."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def give_back() -> None:
    """Return freed memory to the system; the C library keeps it otherwise, block after block."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
    if trim is not None:
        trim(0)
