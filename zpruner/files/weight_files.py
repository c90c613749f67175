"""Which files of a model's folder hold its weights."""

from collections.abc import Collection
from pathlib import Path

from zpruner.files.errors import WeightsError
from zpruner.files.header import MAX_HEADER_BYTES, SUFFIX
from zpruner.files.strict_json import parse_json

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"


def weight_files(folder: Path, present: Collection[str]) -> list[str]:
    """Return the names in ``present`` of the files that transformers would load.

    These are ``model.safetensors``, or else the files that the index names, or else all safetensors
    files. This order of preference matters because some repositories contain the weights twice.

    Raises:
        WeightsError: the index is malformed, or names a file that is not in ``present``.
    """
    if WHOLE in present:
        return [WHOLE]
    if INDEX not in present:
        return sorted(file for file in present if file.endswith(SUFFIX))
    files = sorted(set(weight_map(folder).values()))
    for file in files:
        if file not in present:
            raise WeightsError(INDEX, f"names {file!r}, which is missing", "missing")
    return files


def weight_map(folder: Path) -> dict[str, str]:
    """Return the file of each tensor, as the index of a folder gives it.

    Raises:
        WeightsError: the index is malformed, or a name in it leads out of the folder.
    """
    path = folder / INDEX
    if not path.is_file():
        raise WeightsError(INDEX, "is not a regular file")
    if path.stat().st_size > MAX_HEADER_BYTES:
        raise WeightsError(INDEX, "is larger than 25 MB")
    try:
        pairs = list(parse_json(path.read_bytes())["weight_map"].items())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise WeightsError(INDEX, "has no weight_map") from None
    for tensor, file in pairs:
        if not isinstance(file, str) or not file.endswith(SUFFIX) or not _is_plain(file):
            raise WeightsError(INDEX, f"names {file!r:.200} as the file of {tensor!r:.200}")
    return dict(pairs)


def _is_plain(file: str) -> bool:
    return Path(file).name == file and "\0" not in file
