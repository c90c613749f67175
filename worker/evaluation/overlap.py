"""How much of the text that a model is evaluated on it was also calibrated or trained on."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NGRAM = 13
MOST_OVERLAP = 0.01
"""The largest overlap without a warning."""
_WINDOWS = 64
_BASE = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


def overlap(seen: Sequence[Tensor], evaluation: Tensor) -> float | None:
    """Return the share of the evaluation's runs of 13 tokens that occur in other windows.

    13 is the length at which the text of GPT-3's benchmarks was searched for in its training data
    (Brown et al., 2020, arXiv:2005.14165, appendix C). Each position of each window counts, so a
    passage that is evaluated twice counts twice. A run does not extend over the end of a window.
    The runs are compared by hashes of 64 bits: of a million runs among a million others, one is
    mistaken for another with a probability below 1e-7.

    It measures literal repetition in tokens. Text that is rephrased, or tokenized in another way,
    is not found.

    Args:
        seen: the windows that the model was calibrated or trained on, each ``[windows, seq_len]``
            int64; they may have different lengths.
        evaluation: the windows that it is evaluated on, ``[windows, seq_len]`` int64.

    Returns:
        A share from 0 to 1; None if the evaluation has no run of 13 tokens.
    """
    if evaluation.numel() == 0 or evaluation.shape[1] < NGRAM:
        return None
    known = np.unique(np.concatenate([_hashes(ids).ravel() for ids in seen]))
    if known.size == 0:
        return 0.0
    # In pieces, so that memory does not grow with the evaluation.
    repeats = sum(_count(_hashes(windows), known) for windows in torch.split(evaluation, _WINDOWS))
    return repeats / (len(evaluation) * (evaluation.shape[1] - NGRAM + 1))


def _hashes(ids: Tensor) -> Hashes:
    """Return a hash of each run of tokens in windows ``[windows, seq_len]``."""
    tokens = ids.numpy().astype(np.uint64)
    count = max(0, tokens.shape[1] - NGRAM + 1)
    hashed = np.zeros((len(tokens), count), np.uint64)
    for offset in range(NGRAM):
        hashed = hashed * _BASE + tokens[:, offset : offset + count]  # modulo 2^64
    return hashed


def _count(hashes: Hashes, known: Hashes) -> int:
    """Return how many of the hashes are among the known ones, which are sorted."""
    places = np.searchsorted(known, hashes).clip(max=len(known) - 1)
    return int((known[places] == hashes).sum())
