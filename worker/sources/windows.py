"""Windows of token ids, and the card that says exactly which."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """Token ids to run a model on.

    Attributes:
        ids: ``[windows, seq_len]`` int64.
        card: what they are: dataset, its hash, split, tokens, window, stride, BOS, their own hash.
    """

    ids: Tensor
    card: dict[str, Any]


def windows(ids: Tensor, **facts: Any) -> Windows:
    """Make windows ``[windows, seq_len]`` with a card of the facts and what the ids tell."""
    hashed = sha256(ids.numpy().astype("<i8", copy=False).tobytes()).hexdigest()
    told = {"tokens": ids.numel(), "window": ids.shape[1], "windows": ids.shape[0]}
    return Windows(ids, facts | told | {"bos": False, "token_ids_sha256": hashed})
