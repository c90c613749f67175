"""The models in the folders that jobs may read."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from db.spec.inputs.input_name import LOCAL

MAX_DEPTH = 3
MAX_FOLDERS = 2000
MAX_MODELS = 200
"""These three limits bound the cost of a listing, whatever the folders hold."""


def local_models(roots: Sequence[Path]) -> list[str]:
    """Return the names of the models below the folders, as written in a job's ``model`` field."""
    names = (name for root in roots for name in _below(root))
    return sorted(set(islice(names, MAX_MODELS)))


def _below(root: Path) -> Iterator[str]:
    for folder, names, files in islice(os.walk(root), MAX_FOLDERS):
        below = Path(folder).relative_to(root)
        if len(below.parts) >= MAX_DEPTH:
            names.clear()
        names[:] = sorted(name for name in names if not name.startswith("."))
        if below.parts and "config.json" in files and str(below).isprintable():
            names.clear()  # a model's folder holds no other model
            yield f"{LOCAL}{below.as_posix()}"
