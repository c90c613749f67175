"""Checks of safetensors files, of which only the headers are read."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from db.core.refusals import refused
from zpruner.files import weight_files as files
from zpruner.files.errors import Fault, WeightsError
from zpruner.files.header import Header, StoredTensor
from zpruner.files.strict_json import parse_json
from zpruner.files.weight_files import INDEX, WHOLE, weight_map

UNQUANTISED = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"}
"""The dtypes of weights that are no quantised format."""
SCALED = "F8_E4M3"
"""The dtype of weights with scales of blocks, which some jobs accept."""
MAX_TENSORS = 100_000
MAX_NAME = 1000
COMPLETE = "Download it again, or name a complete copy."
_UNQUANTISED = "Name the unquantised model it was made from."
_REFUSALS: dict[Fault, tuple[str, str]] = {
    "malformed": ("malformed_weights", COMPLETE),
    "truncated": ("truncated_weights", COMPLETE),
    "missing": ("missing_shard", COMPLETE),
    "oversized": ("oversized_header", "Name another copy of the model."),
    "dtype": ("quantized", _UNQUANTISED),
}
"""For each fault of a file, the problem code and the remedy."""


def check_weights(
    folder: Path, name: str, *, may_be_scaled: bool = False
) -> dict[str, tuple[int, ...]]:
    """Check the headers of all weight files, and that they agree with the index, if there is one.

    An index beside ``model.safetensors`` is ignored.

    Args:
        folder: the model's folder.
        name: the name of the model, for errors.
        may_be_scaled: whether weights of 8-bit floats, which have scales of blocks, are accepted.

    Returns:
        Each tensor's shape, by name.

    Raises:
        SpecRefusedError: a file is missing, truncated, malformed or quantized; a tensor is missing
            or duplicated; or a header or the number of tensors is too large.
    """
    present = {path.name for path in folder.iterdir()}
    tensors: dict[str, str] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    dtypes = UNQUANTISED | {SCALED} if may_be_scaled else UNQUANTISED
    for file in weight_files(folder, name, present):
        for tensor in _tensors(folder / file, name, dtypes):
            if tensor.name in tensors:
                reason = f"tensor {tensor.name!r} is in {tensors[tensor.name]} and in {file}"
                raise refused(name, "malformed_weights", reason, "Remove one of them.")
            tensors[tensor.name], shapes[tensor.name] = file, tensor.shape
        if len(tensors) > MAX_TENSORS:
            reason = f"it has more than {MAX_TENSORS:,} tensors"
            raise refused(name, "too_many_tensors", reason, "Name a smaller model.")
    if INDEX in present and WHOLE not in present:
        with _refusals(name):
            placed = weight_map(folder)
        for lost, file in placed.items():
            if tensors.get(lost) != file:
                reason = f"{INDEX} says that {lost!r} is in {file}, which does not hold it"
                raise refused(name, "missing_tensor", reason, COMPLETE)
    return shapes


def weight_files(folder: Path, name: str, present: Collection[str]) -> list[str]:
    """Return the names in ``present`` of the files that transformers would load.

    Raises:
        SpecRefusedError: the index is malformed, or names a file that is not in ``present``.
    """
    with _refusals(name):
        return files.weight_files(folder, present)


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


def _tensors(path: Path, name: str, dtypes: Collection[str]) -> tuple[StoredTensor, ...]:
    """Return a file's tensors; check their dtypes, and that they fill the file exactly."""
    with _refusals(name):
        if not path.is_file():
            raise WeightsError(path.name, "is not a regular file")
        tensors = Header.of(path).tensors
        for tensor in tensors:
            if len(tensor.name) > MAX_NAME or not tensor.name.isprintable():
                raise WeightsError(path.name, f"has a tensor with the name {tensor.name!r:.200}")
    for tensor in tensors:
        if tensor.dtype not in dtypes:
            stored = f"tensor {tensor.name!r} in {path.name} is stored as {tensor.dtype}"
            raise refused(name, "quantized", f"{stored}, a quantised format", _UNQUANTISED)
    return tensors


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Refuse the model of this name if one of its files is damaged."""
    try:
        yield
    except WeightsError as error:
        code, remedy = _REFUSALS[error.fault]
        raise refused(name, code, f"{error.file} {error.reason}", remedy) from error
