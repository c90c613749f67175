"""Random Llamas on disk, one tensor at a time: `python -m benchmarks.llama BLOCKS FOLDER`."""

import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

VOCABULARY = 32_000
Shape = tuple[int, ...]


@dataclass(frozen=True)
class RandomLlama:
    """By default blocks of 12.6 million weights, and a tied embedding of 33 million."""

    blocks: int
    width: int = 1024
    intermediate: int = 2752
    heads: int = 16
    vocabulary: int = VOCABULARY

    def write(self, folder: Path) -> None:
        """Write config, tokenizer and one float32 safetensors file."""
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(self._config()))
        (folder / "tokenizer.json").write_text(json.dumps(_byte_tokenizer()))
        generator = np.random.default_rng(0)
        with (folder / "model.safetensors").open("wb") as file:
            file.write(_header(list(self._shapes())))
            for _, shape in self._shapes():
                file.write(_random(generator, shape).tobytes())

    def _config(self) -> dict[str, object]:
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_size": self.width,
            "intermediate_size": self.intermediate,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.heads,
            "num_hidden_layers": self.blocks,
            "max_position_embeddings": 2048,
            "vocab_size": self.vocabulary,
            "tie_word_embeddings": True,
            "dtype": "float32",
        }

    def _shapes(self) -> Iterator[tuple[str, Shape]]:
        yield "model.embed_tokens.weight", (self.vocabulary, self.width)
        for block in range(self.blocks):
            for name, shape in self._block():
                yield f"model.layers.{block}.{name}.weight", shape
        yield "model.norm.weight", (self.width,)

    def _block(self) -> Iterator[tuple[str, Shape]]:
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            yield f"self_attn.{name}", (self.width, self.width)
        for name in ("gate_proj", "up_proj"):
            yield f"mlp.{name}", (self.intermediate, self.width)
        yield "mlp.down_proj", (self.width, self.intermediate)
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield name, (self.width,)


def _random(
    generator: np.random.Generator, shape: Shape
) -> np.ndarray[Shape, np.dtype[np.float32]]:
    if len(shape) == 1:
        return np.ones(shape, dtype=np.float32)
    return generator.standard_normal(shape, dtype=np.float32) * np.float32(0.02)


def _header(shapes: list[tuple[str, Shape]]) -> bytes:
    """Return the head of a safetensors file: its length, then every tensor's place."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes:
        start, end = end, end + 4 * int(np.prod(shape))
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _byte_tokenizer() -> dict[str, object]:
    """Return the smallest tokenizer there is: one token per byte."""
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
