"""How much memory there is, and how much was taken."""

import ctypes
import re
from pathlib import Path

import psutil
import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as in glibc's malloc.h, M_ before them
_KEPT_BYTES, _LARGE_BYTES = 32 << 20, 4 << 20


def peak_resident_bytes() -> int:
    """Return the most memory that was resident in this process at any time."""
    return process_status_bytes("VmHWM") or int(psutil.Process().memory_info().rss)


def process_status_bytes(field: str) -> int:
    """Return a size from the kernel's account of this process, 0 where it keeps none."""
    status = Path("/proc/self/status")
    if status.is_file() and (found := re.search(rf"{field}:\s+(\d+) kB", status.read_text())):
        return int(found[1]) * 1024
    return 0


def available_bytes(device: torch.device) -> int:
    """Return how much memory the device has left."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def device_peak_bytes(device: torch.device) -> int:
    """Return the most memory of a GPU that tensors of this process took at any time, else 0."""
    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else 0


def trim_heap() -> None:
    """Return freed memory to the system; the C library keeps that of small tensors otherwise.

    For where large ones come next: small ones take the same memory again, and pages that went
    back and come again cost a sixth of a sweep.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's alone
    if trim is not None:
        trim(0)


def fix_malloc_thresholds() -> None:
    """Have every large tensor's memory go back to the system as soon as it is freed.

    By itself the C library learns from freed tensors to keep ever larger ones, up to 32 MB each,
    so that a peak depends on what was freed before. What a plan says would then not hold. Once
    told, it no longer learns how much to keep for small ones either, so it is told that too.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc's alone
    if choose is not None:
        choose(_MMAP_THRESHOLD, _LARGE_BYTES)
        choose(_TRIM_THRESHOLD, _KEPT_BYTES)
