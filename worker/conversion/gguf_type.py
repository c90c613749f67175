"""How the matrices of a GGUF file are stored."""

from enum import StrEnum


class GgufType(StrEnum):
    """How the matrices are stored; ``auto`` is the folder's own 16 bits, or else f16."""

    auto = "auto"
    f32 = "f32"
    f16 = "f16"
    bf16 = "bf16"
    q8_0 = "q8_0"
