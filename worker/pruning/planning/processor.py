"""The name of this machine's processor."""

import platform
from pathlib import Path


def processor_name() -> str:
    """Return the processor's name from ``/proc/cpuinfo``; its architecture if no name is there."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
