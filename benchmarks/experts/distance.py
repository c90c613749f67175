"""How far a smaller mixture is from the dense one on a text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.experts.mixture import TEXTS, windows_of

_WINDOWS, _MOST = 16, 200  # that run at a time, and that are measured of a text
_WIDTH = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Distance:
    """The perplexity of a model on a text, and its distance from the dense model.

    Attributes:
        perplexity: the exponential of the mean loss.
        ratio: its ratio to the dense model's.
        low, high: the 95 % interval of the ratio, from the differences of the windows' losses.
        kl: the mean divergence from the dense model's predictions, in nats.
        agreement: the share of tokens for which both predict the same most likely one.
    """

    perplexity: float
    ratio: float
    low: float
    high: float
    kl: float
    agreement: float


@torch.no_grad()
def distances(dense: Path, smaller: Path, texts: Path) -> dict[str, Distance]:
    """Return the distance of a model from the dense one on the unknown part of each text."""
    tokenizer = AutoTokenizer.from_pretrained(dense)
    models = [
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        for folder in (dense, smaller)
    ]
    found = {}
    for name in TEXTS:
        windows = windows_of(tokenizer, texts / f"{name}-unknown.txt")[:_MOST]
        rows = [
            _compared([model(ids).logits for model in models], ids)
            for ids in torch.split(windows, _WINDOWS)
        ]
        found[name] = _distance(torch.cat(rows))
    return found


def _compared(logits: Sequence[Tensor], ids: Tensor) -> Tensor:
    """Return both losses, the divergence and the agreement of each window, ``[windows, 4]``.

    Args:
        logits: of the dense and of the smaller model, ``[windows, tokens, vocabulary]``.
        ids: ``[windows, tokens]`` int64.
    """
    expected, found = (one[:, :-1].log_softmax(-1) for one in logits)
    losses = [-own.gather(2, ids[:, 1:, None])[..., 0] for own in (expected, found)]
    kl = (expected.exp() * (expected - found)).sum(-1)
    agreement = (expected.argmax(-1) == found.argmax(-1)).float()
    return torch.stack([*losses, kl, agreement], -1).double().mean(1)


def _distance(rows: Tensor) -> Distance:
    dense, smaller, kl, agreement = rows.mean(0).tolist()
    differences = rows[:, 1] - rows[:, 0]
    half = _WIDTH * float(differences.std()) / math.sqrt(len(rows))
    change = smaller - dense
    ratio, low, high = (math.exp(change + shift) for shift in (0, -half, half))
    return Distance(math.exp(smaller), ratio, low, high, kl, agreement)
