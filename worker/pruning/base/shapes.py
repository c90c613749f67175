"""The shapes of a model as plain numbers, so that planning needs neither weights nor torch."""

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
    """The sizes of some of a model's parameters.

    Attributes:
        entries: how many values are stored in each dtype.
        largest: how many values the largest stored tensor has.
        joined_bytes: bytes of the stored tensors that are joined into larger tensors on loading,
            such as experts; these bytes are in memory twice during the joining.
    """

    entries: Mapping[str, int]
    largest: int
    joined_bytes: int = 0

    @property
    def numbers(self) -> int:
        """How many values are stored, in all dtypes together."""
        return sum(self.entries.values())

    @property
    def stored_bytes(self) -> int:
        """Bytes on disk, and in memory before any conversion."""
        return sum(count * ITEM_BYTES[dtype] for dtype, count in self.entries.items())

    @property
    def read_bytes(self) -> int:
        """Peak bytes during reading, while joined tensors are in memory twice."""
        return self.stored_bytes + self.joined_bytes

    @property
    def largest_bytes(self) -> int:
        """Upper bound of the bytes of the largest stored tensor.

        The tensor is assumed to have the widest of the stored dtypes.
        """
        return self.largest * max(map(ITEM_BYTES.__getitem__, self.entries), default=0)

    def copied_bytes(self, dtype: str) -> int:
        """Return the bytes of copies in ``dtype`` of all values that are stored in other dtypes."""
        others = sum(count for stored, count in self.entries.items() if stored != dtype)
        return others * ITEM_BYTES[dtype]

    def loading_bytes(self, dtype: str) -> int:
        """Return the peak memory in bytes while all tensors are read and converted to ``dtype``."""
        if not self.copied_bytes(dtype):
            return self.read_bytes
        size = ITEM_BYTES[dtype]
        return max(self.read_bytes, self.numbers * size) + self.largest * size


@dataclass(frozen=True)
class LayerShape:
    """A layer to prune.

    Attributes:
        outputs, inputs: shape of the weight, ``[out, in]``.
        shares_input: whether the layer has the same input tensor as the previous layer.
        token_share: the share of all tokens that reach the layer; all experts are assumed to be
            equally likely.
    """

    outputs: int
    inputs: int
    shares_input: bool = False
    token_share: float = 1.0

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.outputs * self.inputs


@dataclass(frozen=True)
class BlockShape:
    """A decoder block.

    Attributes:
        parameters: all parameters of the block.
        layers: the layers to prune.
        of_units: sizes of the parameters of which units have a part, if units are measured.
    """

    parameters: ParameterCounts
    layers: tuple[LayerShape, ...]
    of_units: tuple[int, ...] = ()


@dataclass(frozen=True)
class ModelShape:
    """A decoder.

    Attributes:
        blocks: the decoder blocks, in depth order.
        embeddings: parameters used before the blocks.
        head: parameters used after the blocks; a tied embedding counts both here and in
            ``embeddings``.
        stored_bytes: size of the checkpoint's tensors.
        hidden: number of features of the hidden state.
        widest: the largest number of input or output features of a linear layer in the blocks.
        vocabulary: number of tokens in the vocabulary.
        scored_heads: number of attention heads whose scores ``[tokens, tokens]`` are in memory; 0
            if no scores are stored, as with a fused attention kernel.
        removed_bytes: by how much the result is smaller than the checkpoint, if units are removed.
        smaller: the shapes that are left if units are removed and a recovery trains what is left;
            None if the shapes stay.
    """

    blocks: tuple[BlockShape, ...]
    embeddings: ParameterCounts
    head: ParameterCounts
    stored_bytes: int
    hidden: int
    widest: int
    vocabulary: int
    scored_heads: int = 0
    removed_bytes: int = 0
    smaller: "ModelShape | None" = None

    @property
    def trained(self) -> "ModelShape":
        """The shapes of the model that a recovery trains."""
        return self.smaller or self
