"""Sparse copies of a model's safetensors files, with holes instead of the weights."""

import json
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import NotASafetensorsRepoError, SafetensorsParsingError

from db.core.errors import SpecRefusedError
from worker.sources.model_files import MAX_CONCURRENT


def fetch_headers(
    repo: str, commit: str, names: Sequence[str], folder: Path, token: str | None
) -> None:
    """Download the headers of a repository's safetensors files, and write files without weights.

    Code that reads only headers sees complete files. In each file, a hole takes the place of the
    weights; it has their size, but needs no disk space.

    Raises:
        SpecRefusedError: the header of a file cannot be read.
    """

    def write(name: str) -> None:
        write_header_only(folder / name, _header(repo, commit, name, token))

    with ThreadPoolExecutor(MAX_CONCURRENT) as pool:
        for _ in pool.map(write, names):
            pass


def write_header_only(path: Path, header: dict[str, Any]) -> None:
    """Write a safetensors file with this header, sparse where the tensors would be."""
    text = json.dumps(header).encode()
    body = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + body)


def _header(repo: str, commit: str, name: str, token: str | None) -> dict[str, Any]:
    try:
        metadata = HfApi().parse_safetensors_file_metadata(repo, name, revision=commit, token=token)
    except (SafetensorsParsingError, NotASafetensorsRepoError, KeyError, ValueError) as error:
        reason = f"the header of {name} cannot be read ({type(error).__name__})"
        remedy = "Name a complete copy."
        raise SpecRefusedError("model", repo, "malformed_weights", reason, remedy) from error
    return {
        tensor: {
            "dtype": info.dtype,
            "shape": list(info.shape),
            "data_offsets": list(info.data_offsets),
        }
        for tensor, info in metadata.tensors.items()
    }
