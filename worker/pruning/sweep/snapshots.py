"""Snapshots: the streams between two blocks, saved so that a resumed run can load them."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from worker.pruning.base.compute import dtype_name
from worker.pruning.base.durable_files import fsync, sha256
from worker.pruning.model.activations import Activations

Pieces = list[dict[str, Any]]
"""The stream, file, dtype, shape and SHA-256 digest of each batch, ready for JSON."""


def save(folder: Path, streams: Mapping[str, Activations]) -> Pieces:
    """Save every batch in ``folder``; when this returns, all files are on the disk."""
    pieces: Pieces = []
    folder.mkdir()
    for stream, states in streams.items():
        (folder / stream).mkdir()
        paths = states.store(folder / stream)
        for path, (dtype, shape) in zip(paths, states.shapes(), strict=True):
            fsync(path)
            pieces.append(
                {
                    "stream": stream,
                    "file": path.name,
                    "dtype": dtype_name(dtype),
                    "shape": shape,
                    "sha256": sha256(path),
                }
            )
        fsync(folder / stream)
    for parent in (folder, folder.parent):
        fsync(parent)
    return pieces


def is_intact(folder: Path, pieces: Pieces) -> bool:
    """Return whether ``folder`` contains every batch, unchanged since it was saved."""
    paths = ((folder / piece["stream"] / piece["file"], piece["sha256"]) for piece in pieces)
    return all(path.is_file() and sha256(path) == saved for path, saved in paths)


def fits(pieces: Pieces, streams: Mapping[str, Activations]) -> bool:
    """Return whether so many batches of each stream were saved as there are now."""
    saved = Counter(piece["stream"] for piece in pieces)
    return all(saved[name] == len(states) for name, states in streams.items())


def load(folder: Path, pieces: Pieces, streams: Mapping[str, Activations]) -> None:
    """Load the saved batches into the streams."""
    for piece in pieces:
        index = int(piece["file"].partition(".")[0])
        path = folder / piece["stream"] / piece["file"]
        dtype = getattr(torch, piece["dtype"])
        streams[piece["stream"]].load(index, path, dtype, tuple(piece["shape"]))
