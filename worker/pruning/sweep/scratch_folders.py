"""Folders for the temporary files of a sweep."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

NewFolder = Callable[[], Path]
"""Returns a new folder for temporary files."""


@contextmanager
def scratch_folders(parent: Path) -> Iterator[NewFolder]:
    """Return a function that makes folders in ``parent``; all are deleted after the ``with``."""
    with ExitStack() as stack:

        def new_folder() -> Path:
            folder = TemporaryDirectory(prefix="activations-", dir=parent)
            return Path(stack.enter_context(folder))

        yield new_folder
