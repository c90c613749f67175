"""Malformed files of models."""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.damage import ODD, OUTSIDE, damaged_bytes, damaged_json, encoded

Files = dict[str, bytes | Path | None]
"""The content of each file; a path is the target of a symbolic link; None removes the file."""
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
DTYPES = ("F32", "BF16", "F64", "I8", "BOOL", "F8_E4M3", "F4", "", "f32", "U64", "C64")
CONFIG_ADDITIONS: Mapping[str, Any] = {
    "auto_map": {"AutoConfig": "hostile.Config", "AutoModelForCausalLM": "hostile.Model"},
    "configuration_files": ["config.4.0.0.json"],
    "num_labels": 10**12,
    "id2label": {"a": "b"},
    "label2id": [1],
    "attn_implementation": "kernels-community/flash-attn",
    "_attn_implementation": "flash_attention_2",
    "quantization_config": {"quant_method": "gptq"},
    "rope_parameters": {"rope_type": "yarn", "factor": float("nan")},
    "rope_scaling": {"type": "dynamic", "factor": 1e308},
    "layer_types": ["full_attention"] * 2000,
    "dtype": "os.system",
    "torch_dtype": {"a": 1},
    "transformers_version": "nested 900",
    "transformers_weights": f"{OUTSIDE}/{WHOLE}",
    "is_encoder_decoder": True,
    "tie_word_embeddings": "maybe",
    "pruned_heads": {"0": [0, 1]},
    "text_config": {"model_type": "llama", "num_hidden_layers": 10**9},
    "base_model_tp_plan": {"a.*": "exec"},
    "head_dim": 10**7,
    "pad_token_id": 10**9,
    "use_cache": "x",
    "return_dict": [],
    "name_or_path": OUTSIDE,
    "_commit_hash": 5,
    "output_attentions": True,
    "chunk_size_feed_forward": 10**9,
}
TYPES = ("gpt2", "bert", "t5", "mamba", "opt", "falcon", "clip", "", "../x", "lla\0ma", "custom")
TEMPLATES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{% for a in messages %}{% endfor %}{{ raise_exception('no') }}",
    "{% include '/etc/passwd' %}",
    "{% for",
    "{{ messages[0].nothing.at.all }}",
)


def header(random: Random, base: Mapping[str, bytes]) -> Files:
    """Damage the length or the header of the only weights file."""
    data = base[WHOLE]
    (length,) = struct.unpack("<Q", data[:8])
    tensors, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    match random.randrange(8):
        case 0:
            sizes = (0, 1, length - 1, length + 1, len(data), 25_000_001, 2**31, 2**63, 2**64 - 1)
            return {WHOLE: struct.pack("<Q", random.choice(sizes)) + data[8:]}
        case 1:
            return {WHOLE: damaged_bytes(random, data[: 8 + length]) + body}
        case 2:
            return {WHOLE: data[: random.randrange(len(data))]}
        case 3:
            return {WHOLE: data + random.randbytes(random.choice((1, 4, 4096)))}
        case 4:
            body = random.choice((body, b"", body + body))
            return {WHOLE: _framed(encoded(random, damaged_json(random, tensors)), body)}
    return {WHOLE: _framed(encoded(random, _moved(random, tensors)), body)}


def index(random: Random, base: Mapping[str, bytes]) -> Files:
    """Give the model an index, and damage it or the shards that it names."""
    (length,) = struct.unpack("<Q", base[WHOLE][:8])
    tensors = json.loads(base[WHOLE][8 : 8 + length])
    shard = "model-00001-of-00001.safetensors"
    names = dict.fromkeys(sorted(tensors.keys() - {"__metadata__"}), shard)
    made: Any = {"metadata": {"total_size": len(base[WHOLE]) - length}, "weight_map": names}
    if random.random() < 0.3:
        made = damaged_json(random, made)
    else:
        odd: tuple[Any, ...] = (None, 5, [], "", ".", "..", "x.bin", "lost.safetensors", INDEX)
        odd += (
            f"{OUTSIDE}/{WHOLE}",
            f"/{WHOLE}",
            f"./{shard}",
            "x\0.safetensors",
            "a/b.safetensors",
        )
        made["weight_map"][random.choice(sorted(names))] = random.choice(odd)
    files: Files = {WHOLE: None, shard: base[WHOLE], INDEX: encoded(random, made)}
    match random.randrange(8):
        case 0:
            files[shard] = Path(f"{OUTSIDE}/{WHOLE}")
        case 1:
            files["second.safetensors"] = base[WHOLE]
        case 2:
            files[shard] = Path(shard)
        case 3:
            files[INDEX] = Path(f"{OUTSIDE}/secret.json")
    return files


def config(random: Random, base: Mapping[str, bytes]) -> Files:
    """Damage config.json, or let it ask for what it must not have."""
    values = json.loads(base["config.json"])
    files: Files = {"config.4.0.0.json": base["config.json"]}
    match random.randrange(8):
        case 0:
            return {"config.json": damaged_bytes(random, base["config.json"])}
        case 1:
            values["model_type"] = random.choice(TYPES)
        case 2:
            return {"config.json": random.choice((Path(f"{OUTSIDE}/secret.json"), None))}
        case 3 | 4:
            for key in random.sample(sorted(CONFIG_ADDITIONS), random.choice((1, 1, 3))):
                values[key] = CONFIG_ADDITIONS[key]
        case _:
            values = damaged_json(random, values)
    return files | {"config.json": encoded(random, values)}


def tokenizer(random: Random, base: Mapping[str, bytes]) -> Files:
    """Damage tokenizer.json."""
    values = json.loads(base["tokenizer.json"])
    match random.randrange(7):
        case 0:
            return {"tokenizer.json": damaged_bytes(random, base["tokenizer.json"])}
        case 1:
            values["normalizer"] = _growing(random.choice((3, 60)))
        case 2:
            regex = random.choice(("(a|a|aa)+b", "(", "(?<=a+)b", "\\p{Z}", ".*.*.*=.*"))
            split = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated"}
            values["pre_tokenizer"] = split | {"invert": False}
        case 3:
            values["model"]["merges"] = random.choice(([["a", "b"]], ["a b", "b a"], [["a"]], "ab"))
        case 4:
            values["model"]["vocab"] |= {"x" * random.choice((1, 9)): random.choice((2**32, -1, 9))}
        case _:
            values = damaged_json(random, values)
    return {"tokenizer.json": encoded(random, values)}


def tokenizer_config(random: Random, base: Mapping[str, bytes]) -> Files:
    """Damage the tokenizer's configuration, and the files of special tokens."""
    values = json.loads(base["tokenizer_config.json"])
    match random.randrange(6):
        case 0:
            return {"tokenizer_config.json": damaged_bytes(random, base["tokenizer_config.json"])}
        case 1:
            values["chat_template"] = random.choice(TEMPLATES)
        case 2:
            values["auto_map"] = {"AutoTokenizer": ["hostile.Tokenizer", None]}
        case 3:
            classes = ("Hostile", "LlamaTokenizer", "T5Tokenizer", "os.system", "PreTrainedModel")
            values["tokenizer_class"] = random.choice((*classes, *ODD))
        case 4:
            added: Files = {}
            for name in ("special_tokens_map.json", "added_tokens.json"):
                content = damaged_json(random, {"bos_token": {"content": "<s>"}, "<extra>": 260})
                added[name] = encoded(random, content)
            return added
        case _:
            values = damaged_json(random, values)
    return {"tokenizer_config.json": encoded(random, values)}


def generation_config(random: Random, base: Mapping[str, bytes]) -> Files:
    """Damage generation_config.json."""
    values = json.loads(base["generation_config.json"]) | {"max_length": 20, "do_sample": True}
    if random.random() < 0.2:
        values["custom_generate"] = values["auto_map"] = {"a": "hostile.generate"}
    return {"generation_config.json": encoded(random, damaged_json(random, values))}


MODEL_KINDS: Mapping[str, Callable[[Random, Mapping[str, bytes]], Files]] = {
    "header": header,
    "index": index,
    "config": config,
    "tokenizer": tokenizer,
    "tokenizer_config": tokenizer_config,
    "generation_config": generation_config,
}


def _framed(header: bytes, body: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def _moved(random: Random, tensors: dict[str, Any]) -> dict[str, Any]:
    """Change what the header says about one tensor, or say it about another."""
    name = random.choice(sorted(tensors.keys() - {"__metadata__"}))
    entry = tensors[name]
    begin, end = entry["data_offsets"]
    match random.randrange(7):
        case 0:
            entry["dtype"] = random.choice(DTYPES)
        case 1:
            sizes = (0, 1, 2**31, 2**62, 2**64, -1, 3.0, True, None, "4")
            entry["shape"] = [random.choice((random.choice(sizes), *entry["shape"]))] * 2
        case 2:
            shift = random.choice((-4, -1, 1, 4, 2**40))
            entry["data_offsets"] = [begin + shift, end + random.choice((0, shift))]
        case 3:
            entry["data_offsets"] = [end, begin]
        case 4:
            other = random.choice(("\ud800", "../../x", "\0", "a" * 70_000, ""))
            tensors[other] = tensors.pop(name)
        case 5:
            tensors["__metadata__"] = random.choice(ODD)
        case _:
            entry["shape"] = random.choice((list(reversed(entry["shape"])), {}, "", [], [[4]]))
    return tensors


def _growing(rounds: int) -> dict[str, Any]:
    """Return a normalizer that replaces each letter by ten, again and again."""
    one = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}
    return {"type": "Sequence", "normalizers": [one] * rounds}
