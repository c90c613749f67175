"""Copies of GGUF files with the one kind of vocabulary that OpenVINO reads from them."""

from pathlib import Path

from gguf import GGUFReader, GGUFValueType, GGUFWriter
from gguf.scripts.gguf_new_metadata import MetadataDetails, copy_with_new_metadata

from tests.models import VOCABULARY


def with_byte_vocabulary(source: Path, target: Path) -> Path:
    """Copy a file, with a vocabulary of single bytes and one pair; weights and ids stay."""
    letters = [chr(byte) for byte in (*range(33, 127), *range(161, 173))]
    tokens = [*letters[: VOCABULARY - 1], letters[0] + letters[1]]
    texts = {"model": "gpt2", "pre": "smollm"}
    lists = {"tokens": tokens, "merges": [f"{letters[0]} {letters[1]}"]}
    changes = {
        **{name: MetadataDetails(GGUFValueType.STRING, text) for name, text in texts.items()},
        **{
            name: MetadataDetails(GGUFValueType.ARRAY, values, sub_type=GGUFValueType.STRING)
            for name, values in lists.items()
        },
    }
    named = {f"tokenizer.ggml.{name}": change for name, change in changes.items()}
    writer = GGUFWriter(target, "llama")
    copy_with_new_metadata(GGUFReader(source), writer, named, ["tokenizer.ggml.scores"])
    return target
