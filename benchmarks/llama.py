"""Write a Llama with random weights: `python -m benchmarks.llama BLOCKS FOLDER`.

The weights are generated and written one tensor at a time.
"""

import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

VOCABULARY = 32_000
_STORED = {"float32": ("F32", 4), "bfloat16": ("BF16", 2)}
Shape = tuple[int, ...]


@dataclass(frozen=True)
class RandomLlama:
    """A Llama with random weights, or a Mixtral if ``experts`` is not 0.

    By default, each block has 12.6 million weights, and the tied embedding has 33 million. A
    Mixtral has ``experts`` experts per block, of which each token uses ``experts_per_token``. There
    are as many heads of keys and values as of queries, unless ``kv_heads`` gives their number.
    """

    blocks: int
    width: int = 1024
    intermediate: int = 2752
    heads: int = 16
    vocabulary: int = VOCABULARY
    dtype: Literal["float32", "bfloat16"] = "float32"
    experts: int = 0
    experts_per_token: int = 2
    kv_heads: int | None = None

    def write(self, folder: Path) -> None:
        """Write the config, the tokenizer and one safetensors file to a new folder."""
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(self._config()))
        (folder / "tokenizer.json").write_text(json.dumps(_byte_tokenizer()))
        generator = np.random.default_rng(0)
        with (folder / "model.safetensors").open("wb") as file:
            file.write(_header(list(self._shapes()), *_STORED[self.dtype]))
            for _, shape in self._shapes():
                file.write(self._bytes(_random(generator, shape)))

    def _bytes(self, values: np.ndarray[Shape, np.dtype[np.float32]]) -> bytes:
        if self.dtype == "float32":
            return values.tobytes()
        return (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()  # the upper half

    def _config(self) -> dict[str, object]:
        family = "Mixtral" if self.experts else "Llama"
        experts = {"num_local_experts": self.experts, "num_experts_per_tok": self.experts_per_token}
        return {
            "architectures": [f"{family}ForCausalLM"],
            "model_type": family.lower(),
            **(experts if self.experts else {}),
            "hidden_size": self.width,
            "intermediate_size": self.intermediate,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads or self.heads,
            "num_hidden_layers": self.blocks,
            "max_position_embeddings": 2048,
            "vocab_size": self.vocabulary,
            "tie_word_embeddings": True,
            "dtype": self.dtype,
        }

    def _shapes(self) -> Iterator[tuple[str, Shape]]:
        yield "model.embed_tokens.weight", (self.vocabulary, self.width)
        for block in range(self.blocks):
            for name, shape in self._block():
                yield f"model.layers.{block}.{name}.weight", shape
        yield "model.norm.weight", (self.width,)

    def _block(self) -> Iterator[tuple[str, Shape]]:
        shared = self.width * (self.kv_heads or self.heads) // self.heads
        for name, outputs in (("q", self.width), ("k", shared), ("v", shared), ("o", self.width)):
            yield f"self_attn.{name}_proj", (outputs, self.width)
        yield from self._experts() if self.experts else self._mlp()
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield name, (self.width,)

    def _mlp(self) -> Iterator[tuple[str, Shape]]:
        for name in ("gate_proj", "up_proj"):
            yield f"mlp.{name}", (self.intermediate, self.width)
        yield "mlp.down_proj", (self.width, self.intermediate)

    def _experts(self) -> Iterator[tuple[str, Shape]]:
        yield "block_sparse_moe.gate", (self.experts, self.width)
        for expert in range(self.experts):
            for name in ("w1", "w3"):
                yield f"block_sparse_moe.experts.{expert}.{name}", (self.intermediate, self.width)
            yield f"block_sparse_moe.experts.{expert}.w2", (self.width, self.intermediate)


def _random(
    generator: np.random.Generator, shape: Shape
) -> np.ndarray[Shape, np.dtype[np.float32]]:
    if len(shape) == 1:
        return np.ones(shape, dtype=np.float32)
    return generator.standard_normal(shape, dtype=np.float32) * np.float32(0.02)


def _header(shapes: list[tuple[str, Shape]], dtype: str, item_bytes: int) -> bytes:
    """Return a safetensors header: its length, then a JSON table of dtypes, shapes and offsets."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes:
        start, end = end, end + item_bytes * int(np.prod(shape))
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _byte_tokenizer() -> dict[str, object]:
    """Return a minimal tokenizer with one token per byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = [chr(byte) for byte in printable] + [chr(256 + n) for n in range(len(others))]
    bytes_as_letters = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }
    return {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": bytes_as_letters,
        "decoder": bytes_as_letters,
        "model": {
            "type": "BPE",
            "vocab": {letter: token for token, letter in enumerate(letters)},
            "merges": [],
        },
    }


if __name__ == "__main__":
    RandomLlama(int(sys.argv[1])).write(Path(sys.argv[2]))
