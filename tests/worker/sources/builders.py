"""Small models, datasets and tokenizers, made byte by byte."""

import gzip
import json
import struct
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # it has none
import pyarrow.parquet as pq  # type: ignore[import-untyped] # it has none
from tokenizers import Tokenizer as Backend
from tokenizers.decoders import ByteLevel as ByteDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from worker.sources.encoding import Tokenizer

CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 257}


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def safetensors(tensors: Mapping[str, int], **metadata: str) -> bytes:
    """Make a file of F32 vectors: name -> how many numbers."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    end = 0
    for name, count in tensors.items():
        begin, end = end, end + 4 * count
        header[name] = {"dtype": "F32", "shape": [count], "data_offsets": [begin, end]}
    return framed(as_json(header), end)


def framed(header: bytes, body_bytes: int) -> bytes:
    return struct.pack("<Q", len(header)) + header + bytes(body_bytes)


def index(weight_map: Mapping[str, Any]) -> bytes:
    return as_json({"metadata": {}, "weight_map": weight_map})


def model_files(**others: bytes) -> dict[str, bytes]:
    """Make the files of a model; ``__`` in a name stands for a dot."""
    files = {"config.json": as_json(CONFIG), "model.safetensors": safetensors({"a": 3, "b": 5})}
    return files | {name.replace("__", "."): data for name, data in others.items()}


def scaled_files() -> dict[str, bytes]:
    """Make the files of a model of 8-bit floats, with a scale for each block of a matrix."""
    entry = {"quant_method": "fp8", "weight_block_size": [2, 2]}
    header = {
        "a.weight": {"dtype": "F8_E4M3", "shape": [2, 4], "data_offsets": [8, 16]},
        "a.weight_scale_inv": {"dtype": "F32", "shape": [1, 2], "data_offsets": [0, 8]},
    }
    config = as_json(CONFIG | {"quantization_config": entry})
    return {"config.json": config, "model.safetensors": framed(as_json(header), 16)}


def sharded_files() -> dict[str, bytes]:
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    return {
        "config.json": as_json(CONFIG),
        "model.safetensors.index.json": index({"a": names[0], "b": names[1]}),
        names[0]: safetensors({"a": 300_000}),
        names[1]: safetensors({"b": 300_000}),
    }


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def parquet(rows: Sequence[Any], column: str = "text") -> bytes:
    buffer = BytesIO()
    pq.write_table(pa.table({column: rows}), buffer)
    return buffer.getvalue()


def jsonl(rows: Sequence[Any], key: str = "text") -> bytes:
    return b"".join(as_json({key: row}) + b"\n" for row in rows)


def jsonl_gz(rows: Sequence[str]) -> bytes:
    return gzip.compress(jsonl(rows))


def byte_tokenizer() -> Tokenizer:
    vocab = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    backend = Backend(BPE(vocab | {"<s>": 256}, []))
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    backend.decoder = ByteDecoder()
    backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 256)])
    tokenizer: Tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", model_max_length=16
    )
    return tokenizer


TEMPLATE = (
    "{% for one in messages %}{% if one.role == 'tool' %}{{ raise_exception('no tools here') }}"
    "{% endif %}[{{ one.role }}]{{ one.content }}\n{% endfor %}<s>"
)


def chat_tokenizer() -> Tokenizer:
    """Make the byte tokenizer with a chat template, which ends in a token of its own."""
    tokenizer: Any = byte_tokenizer()
    tokenizer.chat_template = TEMPLATE
    made: Tokenizer = tokenizer
    return made
