"""What a plan has to know of a model: numbers alone, so that no weights and no torch are needed."""

from collections.abc import Mapping
from dataclasses import dataclass

ITEM_BYTES = {
    "float64": 8,
    "float32": 4,
    "bfloat16": 2,
    "float16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
}


@dataclass(frozen=True)
class ParameterCounts:
    """Some of a model's parameters.

    Attributes:
        entries: how many numbers are stored in each dtype.
        largest: entries of the largest stored tensor.
        joined_bytes: bytes of the tensors that have to be joined, as experts are; for as long as
            that takes they are there twice.
    """

    entries: Mapping[str, int]
    largest: int
    joined_bytes: int = 0

    @property
    def numbers(self) -> int:
        """Entries of any dtype."""
        return sum(self.entries.values())

    @property
    def stored_bytes(self) -> int:
        """Bytes on disk, and in memory as long as nothing is converted."""
        return sum(count * ITEM_BYTES[dtype] for dtype, count in self.entries.items())

    @property
    def read_bytes(self) -> int:
        """Bytes while it is read: what is joined is there in parts and as a whole."""
        return self.stored_bytes + self.joined_bytes

    @property
    def largest_bytes(self) -> int:
        """Bytes of the largest stored tensor."""
        return self.largest * max(map(ITEM_BYTES.__getitem__, self.entries), default=0)

    def copied_bytes(self, dtype: str) -> int:
        """Return the bytes of the copies that computing in ``dtype`` needs on the host."""
        others = sum(count for stored, count in self.entries.items() if stored != dtype)
        return others * ITEM_BYTES[dtype]

    def filled_bytes(self, dtype: str) -> int:
        """Return the most bytes while all of it is converted to ``dtype`` tensor by tensor."""
        if not self.copied_bytes(dtype):
            return self.read_bytes
        size = ITEM_BYTES[dtype]
        return max(self.read_bytes, self.numbers * size) + self.largest * size


@dataclass(frozen=True)
class LayerShape:
    """A linear layer that is to be pruned.

    Attributes:
        outputs, inputs: its weight's shape, ``[out, in]``.
        shares_input: whether it reads the same tensor as the layer before it.
        token_share: share of the tokens that reach it; experts are assumed equally likely.
    """

    outputs: int
    inputs: int
    shares_input: bool = False
    token_share: float = 1.0

    @property
    def weights(self) -> int:
        """Entries of its weight."""
        return self.outputs * self.inputs


@dataclass(frozen=True)
class BlockShape:
    """A decoder block: its parameters and those of its layers that are to be pruned."""

    parameters: ParameterCounts
    layers: tuple[LayerShape, ...]


@dataclass(frozen=True)
class ModelShape:
    """A decoder.

    Attributes:
        blocks: in depth order.
        embeddings: what runs before the blocks.
        head: what runs after them; a tied embedding belongs to both.
        stored_bytes: of the whole checkpoint.
        hidden: features of the hidden state.
        widest: features of the widest state inside a block.
        vocabulary: how many tokens there are.
        scored_heads: attention heads whose scores ``[tokens, tokens]`` are written out; 0 where
            a fused kernel computes them.
    """

    blocks: tuple[BlockShape, ...]
    embeddings: ParameterCounts
    head: ParameterCounts
    stored_bytes: int
    hidden: int
    widest: int
    vocabulary: int
    scored_heads: int = 0
