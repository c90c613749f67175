"""Checks of safetensors files, of which only the headers are read."""

import struct
from collections.abc import Collection
from math import prod
from pathlib import Path
from typing import Any

from db.core.errors import SpecRefusedError
from db.core.refusals import refused
from db.spec.json_files import parse_json

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
SIZES = {
    **{"F64": 8, "F32": 4, "F16": 2, "BF16": 2},
    **{"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1},
}
"""Bytes per number, for each unquantised format in safetensors files."""
MAX_HEADER_BYTES = 25_000_000
MAX_TENSORS = 20_000
MAX_DIMENSIONS = 64
MAX_NAME = 1000
COMPLETE = "Download it again, or name a complete copy."


def check_weights(folder: Path, name: str) -> dict[str, tuple[int, ...]]:
    """Check the headers of all weight files, and that they agree with the index, if there is one.

    An index beside ``model.safetensors`` is ignored.

    Returns:
        Each tensor's shape, by name.

    Raises:
        SpecRefusedError: a file is missing, truncated, malformed or quantized; a tensor is missing
            or duplicated; or a header or the number of tensors is too large.
    """
    present = {path.name for path in folder.iterdir()}
    tensors: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder, name, present):
        for tensor, shape in _tensors(folder / file, name).items():
            if tensor in tensors:
                reason = f"tensor {tensor!r} is in {tensors[tensor]} and in {file}"
                raise refused(name, "malformed_weights", reason, "Remove one of them.")
            tensors[tensor], shapes[tensor] = file, shape
        if len(tensors) > MAX_TENSORS:
            reason = f"it has more than {MAX_TENSORS:,} tensors"
            raise refused(name, "too_many_tensors", reason, "Name a smaller model.")
    if INDEX in present and WHOLE not in present:
        for tensor, file in _weight_map(folder, name).items():
            if tensors.get(tensor) != file:
                reason = f"{INDEX} says that {tensor!r} is in {file}, which does not hold it"
                raise refused(name, "missing_tensor", reason, COMPLETE)
    return shapes


def weight_files(folder: Path, name: str, present: Collection[str]) -> list[str]:
    """Return the names in ``present`` of the files that transformers would load.

    These are ``model.safetensors``, or else the files that the index names, or else all safetensors
    files. This order of preference matters because some repositories contain the weights twice.

    Raises:
        SpecRefusedError: the index is malformed, or names a file that is not in ``present``.
    """
    if WHOLE in present:
        return [WHOLE]
    if INDEX not in present:
        return sorted(file for file in present if file.endswith(".safetensors"))
    files = sorted(set(_weight_map(folder, name).values()))
    for file in files:
        if file not in present:
            reason = f"{INDEX} names {file!r}, which is missing"
            raise refused(name, "missing_shard", reason, COMPLETE)
    return files


def index_bytes(folder: Path, weights: Collection[str]) -> int | None:
    """Return the total size of the weights in bytes, as the index file gives it.

    Return None if ``weights`` contains ``model.safetensors``, or if the index file is missing or
    gives no valid size.
    """
    if WHOLE in weights or not (folder / INDEX).is_file():
        return None
    metadata = parse_json((folder / INDEX).read_bytes()).get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    return total if type(total) is int and total > 0 else None


def _weight_map(folder: Path, name: str) -> dict[str, str]:
    path = folder / INDEX
    if not path.is_file():
        raise _malformed(name, INDEX, "is not a regular file")
    if path.stat().st_size > MAX_HEADER_BYTES:
        raise _malformed(name, INDEX, "is larger than 25 MB")
    try:
        index = parse_json(path.read_bytes())
        weight_map = index["weight_map"]
        pairs = list(weight_map.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _malformed(name, INDEX, "has no weight_map") from None
    for tensor, file in pairs:
        # A file name must not lead out of the folder.
        if (
            not isinstance(file, str)
            or not file.endswith(".safetensors")
            or Path(file).name != file
        ):
            raise _malformed(name, INDEX, f"names {file!r:.200} as the file of {tensor!r:.200}")
    return dict(pairs)


def _tensors(path: Path, name: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a file's tensors; check that they fill the file exactly."""
    header, body_bytes = _header(path, name)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(one, str) for one in metadata.values()):
        raise _malformed(name, path.name, "has metadata that are not texts by name")
    if len(header) > MAX_TENSORS:
        reason = f"{path.name} has more than {MAX_TENSORS:,} tensors"
        raise refused(name, "too_many_tensors", reason, "Name a smaller model.")
    spans = sorted(_span(path, name, tensor, entry) for tensor, entry in header.items())
    reached = 0
    for begin, end, tensor in spans:
        if begin != reached:
            raise _malformed(name, path.name, f"has a gap or an overlap before tensor {tensor!r}")
        if end > body_bytes:
            reason = f"{path.name} ends inside tensor {tensor!r}: it is truncated"
            raise refused(name, "truncated_weights", reason, COMPLETE)
        reached = end
    if reached != body_bytes:
        raise _malformed(name, path.name, "has bytes that belong to no tensor")
    return {tensor: tuple(entry["shape"]) for tensor, entry in header.items()}


def _header(path: Path, name: str) -> tuple[dict[str, Any], int]:
    """Return a file's header and the number of bytes after it."""
    if not path.is_file():
        raise _malformed(name, path.name, "is not a regular file")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if length > MAX_HEADER_BYTES:
            reason = f"{path.name} claims a header of {length:,} bytes, more than 25 MB"
            raise refused(name, "oversized_header", reason, "Name another copy of the model.")
        if size < 8 + length or length < 2:
            reason = f"{path.name} ends before its header does: it is truncated"
            raise refused(name, "truncated_weights", reason, COMPLETE)
        text = file.read(length)
    try:
        header = parse_json(text)
    except ValueError:
        raise _malformed(name, path.name, "has a header that is not JSON") from None
    if not isinstance(header, dict):
        raise _malformed(name, path.name, "has a header that is not a JSON object")
    return header, size - 8 - length


def _span(path: Path, name: str, tensor: str, entry: Any) -> tuple[int, int, str]:
    """Return a tensor's offsets; check that they fit its shape and format."""
    if len(tensor) > MAX_NAME or not tensor.isprintable():
        raise _malformed(name, path.name, f"has a tensor with the name {tensor!r:.200}")
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = (*shape, begin, end)
        is_valid = isinstance(dtype, str) and isinstance(shape, list)
        is_valid = is_valid and len(numbers) <= MAX_DIMENSIONS
        is_valid = is_valid and all(
            type(number) is int and 0 <= number < 2**63 for number in numbers
        )
    except (KeyError, TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise _malformed(name, path.name, f"does not describe tensor {tensor!r}")
    if dtype not in SIZES:
        reason = f"tensor {tensor!r} in {path.name} is stored as {dtype:.40}, a quantised format"
        raise refused(name, "quantized", reason, "Name the unquantised model it was made from.")
    if end - begin != prod(shape) * SIZES[dtype]:
        raise _malformed(
            name, path.name, f"has a size for tensor {tensor!r} that does not fit its shape"
        )
    return begin, end, tensor


def _malformed(name: str, file: str, what: str) -> SpecRefusedError:
    return refused(name, "malformed_weights", f"{file} {what}", COMPLETE)
