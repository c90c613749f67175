"""The batches in which a sweep runs windows through a model."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.planning.workload import Setting


@dataclass(frozen=True)
class CalibrationBatches:
    """This rank's batches of the calibration windows, which are of one or two texts.

    Attributes:
        ids: the token ids of each batch, ``[windows, tokens]``.
        second_text: the indices of the batches of a second text; None if there is one text.
    """

    ids: list[Tensor]
    second_text: Collection[int] | None

    @classmethod
    def split(cls, windows: Tensor, second: int, setting: Setting, ranks: Ranks) -> Self:
        """Split the windows of all ranks, token ids ``[windows, tokens]``, and take this rank's.

        The last ``second`` windows are of a second text; if it is 0, there is one text. The batches
        of a second text are separate, so that their inputs can be measured apart.
        """
        first = len(windows) - second
        texts = [windows[:first], windows[first:]] if second else [windows]
        batches = [
            (ids, at) for at, text in enumerate(texts) for ids in split_batches(text, setting)
        ]
        own = ranks.share_of(batches)
        second_text = {batch for batch, (_, at) in enumerate(own) if at} if second else None
        return cls([ids for ids, _ in own], second_text)


def split_batches(windows: Tensor, setting: Setting) -> list[Tensor]:
    """Split token ids ``[windows, tokens]`` into batches, as large as the setting allows."""
    if not len(windows):
        return []
    return list(torch.split(windows, max(1, setting.batch_tokens // windows.shape[1])))
