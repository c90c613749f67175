"""The tensors of a model's folder, by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from zpruner.files.elements import read_exactly
from zpruner.files.errors import FilesError
from zpruner.files.header import Header, StoredTensor
from zpruner.files.packed import PACKED, SHAPE_BYTES, companions, unpacked_shape
from zpruner.files.weight_files import weight_files


@dataclass(frozen=True)
class PlacedTensor:
    """A tensor and the file that holds it.

    Attributes:
        file: the file's name.
        open: opens the file.
        start: the size of the file's header.
        tensor: the tensor; of a quantised matrix, with the shape of the matrix.
        bits: the bits of each packed integer of a quantised matrix; None for plain numbers.
    """

    file: str
    open: Callable[[], BinaryIO]
    start: int
    tensor: StoredTensor
    bits: int | None = None

    def read(self) -> bytes:
        """Return the bytes of a small tensor."""
        with self.open() as file:
            file.seek(self.start + self.tensor.begin)
            return read_exactly(file, self.tensor.size_bytes)


def tensors_of(folder: Path) -> dict[str, PlacedTensor]:
    """Return the tensors of the files that transformers would load.

    The packed integers, the scales and the shape of a quantised matrix are one tensor, which has
    the name of the matrix.

    Raises:
        FilesError: there is no file, one is damaged, or two hold the same tensor.
    """
    tensors: dict[str, PlacedTensor] = {}
    present = [path.name for path in folder.glob("*") if path.is_file()]  # none without a folder
    if not (files := weight_files(folder, present)):
        raise FilesError(f"{folder} has no safetensors file; name the folder of a model")
    for path in (folder / file for file in files):
        for name, placed in _placed(_opener(path)).items():
            if name in tensors:
                raise FilesError(
                    f"tensor {ascii(name)[:200]} is in {tensors[name].file} and "
                    f"in {path.name}; remove one of them"
                )
            tensors[name] = placed
    return _matrices_joined(tensors)


def tensors_in(open_file: Callable[[], BinaryIO]) -> dict[str, PlacedTensor]:
    """Return the tensors of one file, as `tensors_of` those of a folder.

    Raises:
        FilesError: the file is damaged.
    """
    return _matrices_joined(_placed(open_file))


def _opener(path: Path) -> Callable[[], BinaryIO]:
    return lambda: path.open("rb")


def _placed(open_file: Callable[[], BinaryIO]) -> dict[str, PlacedTensor]:
    with open_file() as file:
        header = Header.read(file)
    start = len(header.raw)
    return {
        tensor.name: PlacedTensor(header.file, open_file, start, tensor)
        for tensor in header.tensors
    }


def _matrices_joined(placed: dict[str, PlacedTensor]) -> dict[str, PlacedTensor]:
    """Return the tensors with each quantised matrix as one of them."""
    stored = {name: place.tensor for name, place in placed.items()}
    joined = dict(placed)
    for name in placed:
        if (names := companions(name, stored)) is None:
            continue
        for part in (name, *names):
            del joined[part]
        sizes = placed[names[1]]
        content = sizes.read() if sizes.tensor.size_bytes == SHAPE_BYTES else b""
        shape, bits = unpacked_shape(stored[name], content)
        matrix = replace(stored[name], name=name.removesuffix(PACKED), shape=shape)
        joined[matrix.name] = replace(placed[name], tensor=matrix, bits=bits)
    return joined
