"""Small jobs that remove tokens."""

import json
from pathlib import Path
from typing import Any

from transformers import LlamaConfig

from db.spec.prune_spec import PruneSpec
from tests.models import write_model
from tests.worker.vocabulary.small_tokenizers import OTHER, TEXT, write_byte_level
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end

ROWS = 416
"""The rows of the model, of which some have no token."""
END = 360
"""The token that ends a text."""
SIZES: dict[str, Any] = {
    "vocab_size": ROWS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": END,
    "eos_token_id": END,
    "pad_token_id": 415,
}


def write_dense(folder: Path, *, is_tied: bool = False) -> Path:
    """Write a random Llama with a byte-level tokenizer of 362 tokens."""
    write_model(folder, LlamaConfig(**SIZES, tie_word_embeddings=is_tied))
    write_byte_level(folder)
    return folder


def spec_of(dense: Path, **fields: Any) -> PruneSpec:
    text = dense.parent / "text.txt"
    text.write_text(TEXT * 8)
    (dense.parent / "other.txt").write_text((TEXT + OTHER) * 8)
    small: dict[str, Any] = {
        "model": f"local:{dense}",
        "dataset": f"local:{text}",
        "method": "none",
        "vocabulary": {"dataset": f"local:{text}"},
        "samples": 4,
        "eval_samples": 2,
        "seq_len": 32,
        "dtype": "float32",
    }
    return PruneSpec.model_validate(small | fields)


def run(dense: Path, name: str = "out", **fields: Any) -> tuple[Path, dict[str, Any]]:
    """Run a job; return the folder of its result, and its report."""
    out = dense.parent / name
    out.mkdir(exist_ok=True)
    steps: list[Any] = []
    run_to_end(prune(spec_of(dense, **fields), out, Resources(device="cpu")), steps.append)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    return out, json.loads((out / "report.json").read_text())
