"""Reading memory use, and controlling when the C library returns freed memory."""

import ctypes
import re
from pathlib import Path

import psutil
import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
_TRIM_BYTES, _MMAP_BYTES = 32 << 20, 4 << 20


def peak_resident_bytes() -> int:
    """Return the peak resident memory of this process in bytes; if it is unknown, the current."""
    return process_status_bytes("VmHWM") or int(psutil.Process().memory_info().rss)


def process_status_bytes(field: str) -> int:
    """Return a field of ``/proc/self/status`` in bytes; 0 if the system does not report it."""
    status = Path("/proc/self/status")
    if status.is_file() and (match := re.search(rf"{field}:\s+(\d+) kB", status.read_text())):
        return int(match[1]) * 1024
    return 0


def available_bytes(device: torch.device) -> int:
    """Return the free memory of a GPU, or the available memory of the machine, in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def device_peak_bytes(device: torch.device) -> int:
    """Return the peak memory of this process's tensors on a GPU in bytes; 0 for the CPU."""
    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else 0


def trim_heap() -> None:
    """Give the memory that is free in the C library's heap back to the system.

    Call this only before large allocations. When a sweep called this after every layer, it spent a
    sixth of its time getting memory for small tensors from the system again.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc only
    if trim is not None:
        trim(0)


def fix_malloc_thresholds() -> None:
    """Set two glibc thresholds to fixed values, so that freed large tensors return their memory.

    By default, glibc raises these thresholds while a process runs. Peak memory would then depend on
    what was freed before, and the planned memory would be wrong.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
