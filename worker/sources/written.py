"""The windows of a mix that the dense model has written itself."""

from dataclasses import dataclass
from hashlib import sha256

import torch
from torch import Tensor

from db.spec.options.mix import GENERATED
from worker.sources.windows import Windows, windows


@dataclass(frozen=True)
class WrittenPart:
    """Text that the dense model has written, of which each window is used once.

    Attributes:
        field: the field of the specification that asks for it.
        seq_len: tokens in each window.
        ids: ``[windows, seq_len]`` int64, the text, with as many windows as are used; None before
            the model has written it, when windows of zeros stand in their places.
    """

    field: str
    seq_len: int
    ids: Tensor | None = None
    name = GENERATED

    def windows(self, samples: int, _seed: int) -> Windows:
        """Return the windows that a model is calibrated on, which a training may use, too."""
        return self._part(0, samples)

    def training_windows(
        self, number: int, _used: int, _seed: int, ranks: int = 1, held_out: int | None = None
    ) -> tuple[Windows, Windows]:
        """Return windows to train on, and held-out windows that monitor the training."""
        return self._part(0, number), self._part(number, number + (held_out or ranks))

    def _part(self, start: int, end: int) -> Windows:
        text = self.ids
        if text is None:
            text = torch.zeros(end, self.seq_len, dtype=torch.int64)
        hashed = sha256(text.numpy().astype("<i8", copy=False).tobytes()).hexdigest()
        facts = {"dataset": self.name, "dataset_sha256": hashed, "split": "all that it has written"}
        return windows(text[start:end], **facts)
