"""A checkpoint without its weights: true headers, and holes of the right size behind them."""

import json
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import NotASafetensorsRepoError, SafetensorsParsingError

from db.core.errors import SpecRefusedError

AT_ONCE = 8


def fetch_hollow(repo: str, commit: str, names: Sequence[str], folder: Path) -> None:
    """Write the named safetensors files of a repository as far as their headers.

    Everything that reads headers takes them for whole, and they take no space: what follows a
    header is a hole in the file.

    Raises:
        SpecRefusedError: one of them is no safetensors file.
    """

    def write(name: str) -> None:
        write_hollow(folder / name, _header(repo, commit, name))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(write, names):
            pass


def write_hollow(path: Path, header: dict[str, Any]) -> None:
    """Write a header and a hole as long as its tensors."""
    text = json.dumps(header).encode()
    body = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + body)


def _header(repo: str, commit: str, name: str) -> dict[str, Any]:
    try:
        found = HfApi().parse_safetensors_file_metadata(repo, name, revision=commit)
    except (SafetensorsParsingError, NotASafetensorsRepoError, KeyError, ValueError) as error:
        reason = f"{name} has no header that can be read ({type(error).__name__})"
        remedy = "Name a complete copy."
        raise SpecRefusedError("model", repo, "malformed_weights", reason, remedy) from error
    return {
        tensor: {
            "dtype": one.dtype,
            "shape": list(one.shape),
            "data_offsets": list(one.data_offsets),
        }
        for tensor, one in found.tensors.items()
    }
