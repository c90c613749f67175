"""The models of the benchmark of a GPU."""

from dataclasses import dataclass
from typing import Any

from benchmarks.llama import RandomLlama


@dataclass(frozen=True)
class Shape:
    """A model that is measured.

    Attributes:
        name: its name in the table.
        model: its shapes, with the blocks that are measured.
        blocks: how many blocks the whole model has.
        samples, seq_len: the calibration windows.
        product: width of the square matrices whose product is the yardstick of the device.
    """

    name: str
    model: RandomLlama
    blocks: int
    samples: int = 128
    seq_len: int = 2_048
    product: int = 8_192

    @property
    def tokens(self) -> int:
        """Number of calibration tokens."""
        return self.samples * self.seq_len

    @property
    def active(self) -> int:
        """Number of weights of the measured blocks by which a token is multiplied."""
        one = self.model
        attention = 2 * one.width**2 * (1 + (one.kv_heads or one.heads) / one.heads)
        mlp = 3 * one.width * one.intermediate * (one.experts_per_token if one.experts else 1)
        return round(one.blocks * (attention + mlp + one.width * one.experts))


_HALF: dict[str, Any] = {"dtype": "bfloat16"}
_1B = RandomLlama(16, 2048, 8192, 32, 128_256, kv_heads=8, **_HALF)
_8B = RandomLlama(4, 4096, 14_336, 32, 128_256, kv_heads=8, **_HALF)
_MIXTURE = RandomLlama(
    2, 2048, 768, 32, 151_936, kv_heads=4, experts=128, experts_per_token=8, **_HALF
)
_TINY = {"samples": 8, "seq_len": 16, "product": 64}
SHAPES = {
    "large": (
        Shape("Llama 1B", _1B, 16),
        Shape("Llama 8B", _8B, 32),
        Shape("128 experts of 30B", _MIXTURE, 48),
    ),
    "tiny": (
        Shape("tiny", RandomLlama(1, 32, 48, 4, 96, kv_heads=2), 2, **_TINY),
        Shape("tiny experts", RandomLlama(1, 32, 48, 4, 96, experts=4), 2, **_TINY),
    ),
}
