"""The texts that a model is calibrated and trained on, each with its share of the windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from itertools import chain
from typing import Any

import torch

from db.core.errors import SpecRefusedError
from db.spec.descriptions.option import UNFIT
from worker.sources.calibration import DEFAULT_SAMPLES, CalibrationPart, held_out_count
from worker.sources.windows import Windows, windows
from worker.sources.written import WrittenPart

MOST_REPEATS = 4
"""How often a training uses a window of a mix at most: sources that come often are learned by
heart."""


@dataclass(frozen=True)
class MixedPart:
    """The calibration parts of one text or of several.

    Attributes:
        first: the calibration part of ``dataset``.
        further: those of the other texts.
        shares: the share of each in the windows; their sum is 1.
    """

    first: CalibrationPart
    further: tuple[CalibrationPart | WrittenPart, ...]
    shares: tuple[Fraction, ...]

    @property
    def parts(self) -> tuple[CalibrationPart | WrittenPart, ...]:
        """The part of each text; the first one is that of ``dataset``."""
        return (self.first, *self.further)

    def by_source(self, samples: int | None, seed: int) -> list[Windows]:
        """Return the calibration windows of each dataset, as many as its share.

        Args:
            samples: the number of all windows; None uses 128, or fewer if a dataset is smaller than
                its share of them.
            seed: determines the random places of the windows.

        Raises:
            SpecRefusedError: a dataset cannot be read or encoded, is too small, or has a share of
                less than a window; or some are conversations, and others are not.
        """
        if not self.further:
            return [self.first.windows(samples, seed)]
        self._check_kinds()
        counts = self._counts(samples or self._most())
        self._check_rows(counts)
        each = zip(self.parts, counts, strict=True)
        return [part.windows(count, seed) for part, count in each]

    def training_windows(
        self, number: int, used: Sequence[int], seed: int, ranks: int = 1
    ) -> tuple[Windows, Windows]:
        """Return windows to train on, and held-out windows that monitor the training.

        The windows of a single dataset are all different, and the training repeats them. Those of a
        mix are as many as the training uses, in turn and with their repetitions, so that each
        dataset has its share.

        Args:
            number: how many windows the training uses.
            used: the number of calibration windows of each dataset.
            seed: determines the order of each dataset's windows.
            ranks: how many processes share the held-out windows.

        Raises:
            SpecRefusedError: as `CalibrationPart.training_windows`; or a window of a mix would come
                more than `MOST_REPEATS` times.
        """
        if not self.further:
            return self.first.training_windows(number, used[0], seed, ranks)
        counts = self._counts(number)
        held_out = [max(1, count) for count in apportioned(held_out_count(number), self.shares)]
        held_out[0] += -sum(held_out) % ranks  # each process has as many
        fewest = [max(1, ranks - len(self.further)), *[1] * len(self.further)]
        each = zip(self.parts, counts, used, fewest, held_out, strict=True)
        training, monitoring = [], []
        for part, count, own, least, kept in each:
            drawn, apart = part.training_windows(count, own, seed, least, kept)
            self._check_repeats(part, count, len(drawn.ids))
            repeated = drawn.ids[torch.arange(count) % len(drawn.ids)]
            training.append(windows(repeated, **drawn.provenance))
            monitoring.append(apart)
        return merged(training), merged(monitoring)

    def _counts(self, number: int) -> list[int]:
        counts = apportioned(number, self.shares)
        for part, share, count in zip(self.parts, self.shares, counts, strict=True):
            if count == 0:
                reason = f"its share of {float(share):g} is none of {number} windows"
                remedy = "Give it a larger share, or set more samples, or more tokens of recover."
                raise SpecRefusedError(part.field, part.name, UNFIT, reason, remedy)
        return counts

    def _most(self) -> int:
        """Return the number of windows of which no dataset has fewer than its share."""
        most = [
            int(available / share)
            for part, share in zip(self.parts, self.shares, strict=True)
            if isinstance(part, CalibrationPart) and (available := part.available()) is not None
        ]
        return max(len(self.parts), min([DEFAULT_SAMPLES, *most]))

    def _check_rows(self, counts: Sequence[int]) -> None:
        for part, share, count in zip(self.parts, self.shares, counts, strict=True):
            rows = part.row_count() if isinstance(part, CalibrationPart) else None
            if rows is not None and rows < count:
                raise too_few_for_share(part.field, part.name, share, count, rows)

    def _check_kinds(self) -> None:
        texts = [part for part in self.parts if isinstance(part, CalibrationPart)]
        kinds = [part.is_chat() for part in texts]
        if len({*kinds}) == 1:
            return
        part = texts[kinds.index(not kinds[0])]
        names = ("plain text", "conversations")
        reason = f"its rows are {names[not kinds[0]]}, and those of dataset are {names[kinds[0]]}"
        remedy = "Mix texts of one kind, so that the model is used in one way."
        raise SpecRefusedError(part.field, part.name, UNFIT, reason, remedy)

    def _check_repeats(
        self, part: CalibrationPart | WrittenPart, wanted: int, available: int
    ) -> None:
        if wanted <= MOST_REPEATS * available:
            return
        reason = (
            f"recover wants {wanted} windows of it, and it has {available}, each of which may come "
            f"{MOST_REPEATS} times at most"
        )
        remedy = "Give it a smaller share, set fewer tokens of recover, or name more text."
        raise SpecRefusedError(part.field, part.name, UNFIT, reason, remedy)


def too_few_for_share(
    field: str, name: str, share: Fraction, count: int, rows: int
) -> SpecRefusedError:
    """Return the refusal of a file of ``rows`` windows, fewer than ``count``, its share of all."""
    reason = f"its share of {float(share):g} is {count} windows, and it has {rows}"
    remedy = f"Give it a smaller share, or set samples to at most {int(rows / share)}."
    return SpecRefusedError(field, name, "too_few_rows", reason, remedy)


def apportioned(number: int, shares: Sequence[Fraction]) -> list[int]:
    """Divide ``number`` by shares whose sum is 1: the largest remainders are rounded up.

    Of equal remainders, the first ones are.
    """
    exact = [number * share for share in shares]
    counts = [int(value) for value in exact]
    rests = sorted(range(len(shares)), key=lambda place: counts[place] - exact[place])
    for place in rests[: number - sum(counts)]:
        counts[place] += 1
    return counts


def merged(sources: Sequence[Windows]) -> Windows:
    """Return the windows of several sources in turn, so that each part of them has all sources.

    The provenance has that of each source under ``sources``. One source is returned as it is.
    """
    if len(sources) == 1:
        return sources[0]
    order = _in_turn([len(source.ids) for source in sources])
    ids = torch.stack([sources[number].ids[index] for number, index in order])
    origins = [source.provenance for source in sources]
    digests = "\n".join(digest for source in sources for digest in _digests(source))
    facts: dict[str, Any] = {
        "dataset": " + ".join(origin["dataset"] for origin in origins),
        "dataset_sha256": sha256(digests.encode()).hexdigest(),
        "split": "a mix",
        "sources": origins,
    }
    return windows(ids, **facts)


def source_numbers(text: Windows) -> list[int]:
    """Return the number of each window's source, given windows that `merged` has returned."""
    sources = text.provenance.get("sources")
    counts = [source["windows"] for source in sources] if sources else [len(text.ids)]
    return [number for number, _ in _in_turn(counts)]


def _in_turn(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Return the source, and the place in it, of the windows of sources with these numbers."""
    places = chain.from_iterable(
        (((index + 0.5) / count, number, index) for index in range(count))
        for number, count in enumerate(counts)
    )
    return [(number, index) for _, number, index in sorted(places)]


def shares_text(one: Windows, other: Windows) -> bool:
    """Whether windows are of the same text, or of mixes that have a text in common."""
    return not {*_digests(one)}.isdisjoint(_digests(other))


def _digests(of: Windows) -> list[str]:
    """Return the SHA-256 of the text, or of each text of a mix."""
    sources = of.provenance.get("sources", [of.provenance])
    return [source["dataset_sha256"] for source in sources]
