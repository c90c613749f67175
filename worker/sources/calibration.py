"""The part of a dataset that is used for calibration, and for training in a recovery."""

from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

import torch
from torch import Tensor

from db.core.errors import SpecRefusedError
from db.spec.datasets.files import DataFile
from db.spec.inputs.references import DatasetReference
from worker.sources.documents import CHAT_JOINER, Text
from worker.sources.encoding import (
    Encoder,
    Tokenizer,
    consecutive_windows,
    document_windows,
    encode_text,
    random_windows,
)
from worker.sources.rows import ids_file, read_rows, take, windows_of_rows
from worker.sources.texts import load_texts
from worker.sources.windows import Windows, windows_of_text

DEFAULT_SAMPLES = 128
MAX_HELD_OUT = 16
"""The held-out loss is measured eleven times; with more windows, this takes as long as training."""


def held_out_count(training: int) -> int:
    """Return how many windows to hold out when ``training`` windows are used for training."""
    return max(1, min(MAX_HELD_OUT, training // 8))


@dataclass(frozen=True)
class CalibrationPart:
    """The calibration part of a dataset; a text is read only once.

    Attributes:
        reference: the dataset, as returned by ``parse_dataset``.
        tokenizer: the model's tokenizer; may be None for rows of ``input_ids``.
        seq_len: tokens in each window.
        vocab_size: the size of the model's vocabulary; None if token ids are not checked against
            it.
        hold_out: whether the rest of the dataset is held out for the evaluation; False if the
            evaluation uses another dataset.
        field: the field of the specification that names the dataset, for errors.
    """

    reference: DatasetReference
    tokenizer: Tokenizer | None
    seq_len: int
    vocab_size: int | None = None
    hold_out: bool = True
    field: str = "dataset"

    def windows(self, samples: int | None, seed: int) -> Windows:
        """Return the windows that a model is calibrated on.

        Rows of ``input_ids`` are used unchanged, from the first on. Text is encoded as a whole, or
        document by document for datasets such as C4, and cut at random places.

        Args:
            samples: the number of windows; None uses 128, or fewer if the dataset is smaller.
            seed: determines the random places.

        Raises:
            SpecRefusedError: the dataset cannot be read or encoded, or is too small.
        """
        if file := ids_file(self.reference, self.field):
            rows = read_rows(file, self.seq_len, self.vocab_size)
            ids = take(file, rows, "samples", samples, DEFAULT_SAMPLES)
            return windows_of_rows(file, ids, f"the first {len(ids)} rows")
        text, wanted = self._text, samples or DEFAULT_SAMPLES
        if text.samples_documents:
            ids = document_windows(text, self._encoder, wanted, self.seq_len, seed)
        else:
            # More windows than fit into the text would only repeat its tokens.
            count = samples or min(wanted, len(self._ids) // self.seq_len)
            ids = random_windows(self._ids, count, self.seq_len, seed)
        return windows_of_text(self.reference, text, ids, seed=seed)

    def available(self) -> int | None:
        """Return how many different windows there are; None for datasets such as C4.

        Raises:
            SpecRefusedError: the dataset cannot be read or encoded, or is too small.
        """
        if (rows := self.row_count()) is not None:
            return rows
        return None if self._text.samples_documents else len(self._ids) // self.seq_len

    def row_count(self) -> int | None:
        """Return the number of rows of ``input_ids``; None for text.

        A calibration uses no row twice.

        Raises:
            SpecRefusedError: the dataset cannot be read.
        """
        if file := ids_file(self.reference, self.field):
            return sum(1 for _ in read_rows(file, self.seq_len, self.vocab_size))
        return None

    @property
    def name(self) -> str:
        """The name of the dataset, as the specification has it."""
        return self.reference.name

    def is_chat(self) -> bool:
        """Whether the dataset's rows are conversations."""
        is_ids = ids_file(self.reference, self.field) is not None
        return not is_ids and self._text.joiner == CHAT_JOINER

    def training_windows(
        self, number: int, used: int, seed: int, ranks: int = 1, held_out: int | None = None
    ) -> tuple[Windows, Windows]:
        """Return windows to train on, and held-out windows that monitor the training.

        The windows do not overlap, and are in random order. One window is held out for every eight
        training windows, up to 16; there is at least one for each process. A mix says how many at
        most.

        Args:
            number: how many windows the training uses. If the part has fewer, all that are not held
                out are returned, and the training repeats them.
            used: the number of calibration windows; if training and evaluation share a dataset of
                ``input_ids`` rows, training uses only these, and the evaluation uses the rows
                after them.
            seed: determines the order.
            ranks: how many processes share the held-out windows.
            held_out: how many windows are held out, or fewer of a short part: one for every eight
                that it has. None for the number said above.

        Raises:
            SpecRefusedError: the dataset cannot be read or encoded; the part has too few windows;
                or the evaluation uses the same rows as the calibration.
        """
        random = Random(seed)  # noqa: S311 # reproducible on purpose
        pool = self._pool(number + MAX_HELD_OUT, used, random)
        if len(pool) <= ranks:
            raise self._too_small(len(pool), ranks + 1)
        order = random.sample(range(len(pool)), len(pool))
        wanted = held_out_count(number) if held_out is None else held_out
        held_out = max(ranks, min(wanted, held_out_count(len(pool))))
        training = order[held_out : held_out + number]
        rounds = -(-number // len(training))
        return (
            self._described(pool[training], used, seed=seed, rounds=rounds),
            self._described(pool[order[:held_out]], used, seed=seed),
        )

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self.tokenizer, self.vocab_size, self.field, self.reference.name)

    @cached_property
    def _text(self) -> Text:
        with self._encoder.chats() as render:
            return load_texts(
                self.reference, "calibration", render, field=self.field, hold_out=self.hold_out
            )

    @cached_property
    def _ids(self) -> Tensor:
        return encode_text(self._text, self._encoder, self.seq_len)

    def _pool(self, wanted: int, used: int, random: Random) -> Tensor:
        """Return all windows of the part; for datasets such as C4, about ``wanted`` random ones."""
        if file := ids_file(self.reference, self.field):
            return self._row_pool(file, used)
        if self._text.samples_documents:
            ids = self._random_documents(wanted * self.seq_len, random)
        else:
            ids = self._ids
        return consecutive_windows(ids, len(ids) // self.seq_len, self.seq_len)

    def _row_pool(self, file: DataFile, used: int) -> Tensor:
        rows = list(read_rows(file, self.seq_len, self.vocab_size))
        if not self.hold_out:
            return torch.stack(rows)
        if used == len(rows):
            raise self._encoder.refused(
                "too_few_rows",
                f"the evaluation uses the same {used} rows as the calibration, so that none is "
                "left that recover may train on",
                f"Set samples below {used}, or name an eval_dataset.",
            )
        return torch.stack(rows[:used])

    def _random_documents(self, tokens: int, random: Random) -> Tensor:
        """Encode documents in random order until there are ``tokens`` ids, or no more documents."""
        pieces: list[Tensor] = []
        for document in random.sample(self._text.documents, len(self._text.documents)):
            if tokens <= 0:
                break
            pieces.append(self._encoder.ids(document + self._text.joiner))
            tokens -= len(pieces[-1])
        return torch.cat(pieces)

    def _described(self, ids: Tensor, used: int, **facts: Any) -> Windows:
        """Return windows with their provenance; ``facts`` say how they were chosen."""
        if file := ids_file(self.reference, self.field):
            split = f"the first {used} rows" if self.hold_out else "all rows"
            described = windows_of_rows(file, ids, split)
        else:
            described = windows_of_text(self.reference, self._text, ids, stride=self.seq_len)
        return replace(described, provenance=described.provenance | facts)

    def _too_small(self, available: int, needed: int) -> SpecRefusedError:
        return self._encoder.refused(
            "dataset_too_small",
            f"recover needs text for {needed} windows of {self.seq_len} tokens, to train on and to "
            f"hold out, and its calibration part has {available}",
            "Set a smaller seq_len, or name more text.",
        )
