"""The name of this machine's processor."""

import platform
from pathlib import Path


def processor_name() -> str:
    """Return what the kernel calls the processor, or else its architecture."""
    listing = Path("/proc/cpuinfo")
    lines = listing.read_text().splitlines() if listing.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
