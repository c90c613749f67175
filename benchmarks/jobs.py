"""The jobs that `benchmarks.plans` measures.

The jobs differ in which part of the work takes the most memory and time.

`python -m benchmarks.jobs MODEL FOLDER` writes the model `MODELS[MODEL]` to FOLDER.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.llama import RandomLlama

MODELS = {
    "wide": RandomLlama(2, width=1536, intermediate=4096, heads=12, vocabulary=2000),
    "one": RandomLlama(1, width=768, intermediate=2048, heads=12, vocabulary=2000),
    "deep": RandomLlama(6, width=1024, intermediate=2816, heads=16, vocabulary=8000),
    "wide bf16": RandomLlama(2, 2048, 5632, 16, vocabulary=2000, dtype="bfloat16"),
    "135M": RandomLlama(1, 576, 1536, 9, vocabulary=2000, dtype="bfloat16", kv_heads=3),
    "words": RandomLlama(2, width=768, intermediate=2048, heads=12, vocabulary=150_000),
    "mixture": RandomLlama(2, 1024, 1792, 16, vocabulary=2000, experts=8),
    "mixture bf16": RandomLlama(2, 1024, 448, 16, vocabulary=2000, dtype="bfloat16", experts=32),
}


@dataclass(frozen=True)
class Job:
    """One pruning job that is calibrated and evaluated on random token ids.

    Attributes:
        model: a name in `MODELS`.
        options: options of ``zpruner prune``.
        samples, eval_samples: the numbers of calibration and of evaluation windows.
        seq_len: tokens per window.
    """

    model: str
    options: tuple[str, ...]
    samples: int = 8
    eval_samples: int = 2
    seq_len: int = 256


_FLOAT32 = ("--dtype", "float32")
_SPARSEGPT = (*_FLOAT32, "--method", "sparsegpt", "--correction", "0")
_OWN_ALPS = (*_FLOAT32, "--method", "alps", "--correction", "0")
_CORRECTED = (*_FLOAT32, "--solver", "alps", "--correction", "0.3")
_NEURONS = (*_FLOAT32, "--sparsity", "0", "--method", "neurons", "--ratio", "0.2")
_UNITS = (*_FLOAT32, "--sparsity", "0", "--ratio", "0.2", "--method")
_NONE = (*_FLOAT32, "--sparsity", "0", "--method", "none")
_REFERENCE = ("--propagation", "reference")

JOBS = {
    "wide, score only": Job("wide", _FLOAT32),
    "deep, score only": Job("deep", _FLOAT32),
    "bf16 stored and computed, 2:4": Job("wide bf16", ("--dtype", "bfloat16", "--pattern", "2:4")),
    "bf16 stored, fp32 computed": Job("wide bf16", _FLOAT32),
    "150,000 words": Job("words", _FLOAT32),
    "8 experts": Job("mixture", _FLOAT32),
    "SparseGPT": Job("wide", _SPARSEGPT),
    "SparseGPT, refined": Job("deep", (*_SPARSEGPT, "--refine", "--refine-steps", "8")),
    "Wanda, refined by halves": Job(
        "wide", (*_FLOAT32, "--method", "wanda", "--refine-steps", "8", "--refine-scope", "half")
    ),
    "bf16, refined": Job("wide bf16", ("--dtype", "bfloat16", "--refine", "--refine-steps", "8")),
    "balanced, many windows": Job(
        "135M", (*_FLOAT32, "--preset", "balanced", "--refine-steps", "8"), samples=128, seq_len=512
    ),
    "ALPS by itself": Job("one", _OWN_ALPS),
    "zpruner + ALPS, corrected": Job("one", _CORRECTED),
    "SparseGPT, reference": Job("deep", (*_SPARSEGPT, *_REFERENCE)),
    "ADMM": Job("one", (*_FLOAT32, "--method", "admm", "--correction", "0")),
    "Wanda + OWL": Job("wide", (*_FLOAT32, "--method", "wanda", "--allocation", "owl")),
    "GBLM": Job("wide", (*_FLOAT32, "--method", "gblm"), samples=4),
    "neurons": Job("wide", (*_NEURONS, "--correction", "0")),
    "neurons, corrected": Job("deep", (*_NEURONS, "--correction", "0.3")),
    "4 of 8 experts": Job(
        "mixture", (*_FLOAT32, "--sparsity", "0", "--method", "experts", "--experts", "4")
    ),
    "half of the experts, bf16 stored": Job(
        "mixture bf16",
        (*_FLOAT32, "--sparsity", "0", "--method", "experts", "--ratio", "0.5"),
        samples=32,
    ),
    "depth": Job(
        "deep", (*_FLOAT32, "--sparsity", "0", "--method", "depth", "--ratio", "0.34"), samples=32
    ),
    "adapt": Job("wide", (*_UNITS, "adapt"), samples=4),
    "adapt in place": Job("deep", (*_UNITS, "adapt", "--no-uniform"), samples=4),
    "pgp": Job("one", (*_UNITS, "pgp")),
    "heads": Job("deep", (*_FLOAT32, "--sparsity", "0", "--method", "heads", "--ratio", "0.1")),
    "neurons in two steps": Job("deep", (*_UNITS, "neurons", "--steps", "2")),
    "SparseGPT, 4 bits": Job("wide", (*_SPARSEGPT, "--quantize", "w4a16")),
    "binarized": Job("one", (*_NONE, "--binarize")),
    "spilled activations": Job("words", _FLOAT32, samples=48, seq_len=512),
}


if __name__ == "__main__":
    MODELS[sys.argv[1]].write(Path(sys.argv[2]))
