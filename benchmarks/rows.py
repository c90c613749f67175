"""Datasets of random token ids."""

import json
from pathlib import Path

import numpy as np

from benchmarks.llama import VOCABULARY


def random_rows(
    path: Path, count: int, *, seed: int, seq_len: int, vocabulary: int = VOCABULARY
) -> Path:
    """Write ``count`` rows of ``seq_len`` random token ids to a JSONL file, and return its path."""
    ids = np.random.default_rng(seed).integers(0, vocabulary, (count, seq_len)).tolist()
    path.write_text("".join(json.dumps({"input_ids": row}) + "\n" for row in ids))
    return path
