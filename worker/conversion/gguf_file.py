"""The content of a written GGUF file, read from the file."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from gguf import GGUFReader

from worker.conversion.errors import ConversionError


@dataclass(frozen=True)
class GgufFile:
    """The content of a GGUF file.

    Attributes:
        architecture: llama.cpp's name of the model's architecture.
        blocks: the number of blocks.
        tensors: the number of tensors.
        parameters: how many numbers the tensors have.
        size_bytes: the size of the file.
    """

    architecture: str
    blocks: int
    tensors: int
    parameters: int
    size_bytes: int

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read the header, and check that the file has every tensor whole and no block is missing.

        Raises:
            ConversionError: it is no complete GGUF file.
        """
        try:
            reader = GGUFReader(file)
            architecture = str(reader.fields["general.architecture"].contents())
            blocks = int(reader.fields[f"{architecture}.block_count"].contents())
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ConversionError(f"the result is no complete GGUF file ({error})") from None
        numbers = {tensor.name.split(".")[1] for tensor in _of_blocks(reader)}
        if missing := [number for number in range(blocks) if str(number) not in numbers]:
            raise ConversionError(f"the result lacks the tensors of block {missing[0]}")
        count = sum(int(tensor.n_elements) for tensor in reader.tensors)
        return cls(architecture, blocks, len(reader.tensors), count, file.stat().st_size)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _of_blocks(reader: GGUFReader) -> list[Any]:
    return [tensor for tensor in reader.tensors if tensor.name.startswith("blk.")]
