"""The tensors of a model's folder, by name."""

import json
from dataclasses import dataclass
from pathlib import Path

from zpruner.files.errors import FilesError
from zpruner.files.header import MAX_HEADER_BYTES, SUFFIX, Header, StoredTensor

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class PlacedTensor:
    """A tensor and the file that holds it; ``start`` is the size of the file's header."""

    path: Path
    start: int
    tensor: StoredTensor


def tensors_of(folder: Path) -> dict[str, PlacedTensor]:
    """Return the tensors of the files that transformers would load.

    Raises:
        FilesError: there is no file, one is damaged, or two hold the same tensor.
    """
    found: dict[str, PlacedTensor] = {}
    for path in _files(folder):
        header = Header.read(path)
        for tensor in header.tensors:
            if tensor.name in found:
                raise FilesError(
                    f"tensor {ascii(tensor.name)[:200]} is in {found[tensor.name].path.name} and "
                    f"in {path.name}; remove one of them"
                )
            found[tensor.name] = PlacedTensor(path, len(header.raw), tensor)
    return found


def _files(folder: Path) -> list[Path]:
    if (folder / WHOLE).is_file():
        return [folder / WHOLE]
    if (folder / INDEX).is_file():
        return [folder / name for name in _indexed(folder / INDEX)]
    if files := sorted(folder.glob(f"*{SUFFIX}")):
        return files
    raise FilesError(f"{folder} has no safetensors file; name the folder of a model")


def _indexed(index: Path) -> list[str]:
    """Return the names of the files that an index names."""
    if index.stat().st_size > MAX_HEADER_BYTES:
        raise FilesError(f"{index.name} is larger than {MAX_HEADER_BYTES:,} bytes")
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()), key=str)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FilesError(f"{index.name} has no weight_map; get a complete copy") from None
    for name in names:
        if (
            not isinstance(name, str)
            or not name.endswith(SUFFIX)
            or Path(name).name != name
            or "\0" in name
        ):
            raise FilesError(f"{index.name} names the file {ascii(name)[:200]}; remove it")
        if not (index.parent / name).is_file():
            raise FilesError(f"{index.name} names {name}, which is missing; get a complete copy")
    return names
