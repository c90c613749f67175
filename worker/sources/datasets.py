"""Windows of token ids, cut from a dataset for calibration and for evaluation."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from torch import Tensor

from db.spec.datafiles import DataFile
from db.spec.references import DatasetReference
from worker.sources.documents import Text
from worker.sources.encoding import Encoder, Tokenizer, consecutive, drawn, scattered
from worker.sources.rows import ids_file, read_rows, take, too_few
from worker.sources.texts import load_texts
from worker.sources.windows import Windows, windows

__all__ = ["Tokenizer", "Windows", "calibration_windows", "evaluation_windows", "row_length"]

DEFAULT_SAMPLES = 128


def row_length(reference: DatasetReference) -> int | None:
    """Return how many ids the first row of ``input_ids`` has; None for text.

    Raises:
        SpecRefusedError: the file cannot be read.
    """
    file = ids_file(reference, "dataset")
    first = file.first() if file else None
    return len(first.ids) if first and hasattr(first, "ids") else None


def calibration_windows(
    reference: DatasetReference,
    tokenizer: Tokenizer | None,
    *,
    samples: int | None,
    seq_len: int,
    seed: int,
    vocab_size: int | None = None,
    hold_out: bool = True,
) -> Windows:
    """Cut the windows that a model is calibrated on.

    Rows of ``input_ids`` are taken as they stand, from the first. Text is encoded as a whole and
    cut at random places, the same ones for the same seed.

    Args:
        reference: what ``parse_dataset`` returned.
        tokenizer: the model's; None is enough for rows of ``input_ids``.
        samples: how many; None takes 128, or as many as there are.
        seq_len: tokens in each.
        seed: where the random places come from.
        vocab_size: how many ids the model knows.
        hold_out: whether to leave something for ``evaluation_windows(held_out_by=...)``;
            False when the evaluation has a dataset of its own.

    Raises:
        SpecRefusedError: the dataset cannot be read, or has too little in it.
    """
    if file := ids_file(reference, "dataset"):
        rows = read_rows(file, seq_len, vocab_size)
        ids = take(file, rows, "samples", samples, DEFAULT_SAMPLES)
        return _from_rows(file, ids, f"the first {len(ids)} rows")
    encoder = Encoder(tokenizer, vocab_size, "dataset", reference.name)
    text = load_texts(reference, "calibration", encoder.chat, hold_out=hold_out)
    return _from_text(reference, text, _scattered(text, encoder, samples, seq_len, seed), seed=seed)


def evaluation_windows(
    reference: DatasetReference,
    tokenizer: Tokenizer | None,
    *,
    seq_len: int,
    samples: int | None = None,
    vocab_size: int | None = None,
    held_out_by: Windows | None = None,
) -> Windows:
    """Cut the windows that perplexity is measured on, one behind the other from the start.

    Args:
        reference: what ``parse_dataset`` returned.
        tokenizer: the model's; None is enough for rows of ``input_ids``.
        seq_len: tokens in each.
        samples: how many; None takes the whole text.
        vocab_size: how many ids the model knows.
        held_out_by: the calibration windows, when ``reference`` is the dataset they came from and
            only what they left is wanted; None evaluates on a dataset of its own.

    Raises:
        SpecRefusedError: the dataset cannot be read, or has too little in it.
    """
    field = "eval_dataset" if held_out_by is None else "dataset"
    if file := ids_file(reference, field):
        return _rows_for_evaluation(file, seq_len, samples, vocab_size, held_out_by)
    encoder, hold_out = (
        Encoder(tokenizer, vocab_size, field, reference.name),
        held_out_by is not None,
    )
    text = load_texts(reference, "evaluation", encoder.chat, field=field, hold_out=hold_out)
    ids = _encoded(text, encoder, seq_len)
    there = len(ids) // seq_len
    if samples is not None and samples > there:
        raise too_few("eval_samples", samples, there, f"{reference.name} ({text.split})")
    count = samples or min(there, text.max_windows or there)
    return _from_text(reference, text, consecutive(ids, count, seq_len), stride=seq_len)


def _scattered(
    text: Text, encoder: Encoder, samples: int | None, seq_len: int, seed: int
) -> Tensor:
    if text.draws:
        return drawn(text, encoder, samples or DEFAULT_SAMPLES, seq_len, seed)
    ids = _encoded(text, encoder, seq_len)
    # More windows than the text has room for would only repeat its tokens.
    count = samples or min(DEFAULT_SAMPLES, len(ids) // seq_len)
    return scattered(ids, count, seq_len, seed)


def _encoded(text: Text, encoder: Encoder, seq_len: int) -> Tensor:
    """Encode the whole text into ``[tokens]``; at least one window is in it."""
    ids = encoder.ids(text.joined)
    if len(ids) >= seq_len:
        return ids
    remedy = f"Set seq_len to at most {len(ids)}, or name more text"
    if text.split.endswith("tenth"):
        remedy += ", or name an eval_dataset so that nothing needs to be held out"
    reason = f"its text ({text.split}) has {len(ids)} tokens, a window has {seq_len}"
    raise encoder.refused("dataset_too_small", reason, f"{remedy}.")


def _rows_for_evaluation(
    file: DataFile,
    seq_len: int,
    samples: int | None,
    vocab_size: int | None,
    held_out_by: Windows | None,
) -> Windows:
    rows = read_rows(file, seq_len, vocab_size)
    if held_out_by is None:
        return _from_rows(file, take(file, rows, "eval_samples", samples, None), "all rows")
    used = len(held_out_by.ids)
    left = take(file, _after(rows, used), "eval_samples", None, samples)
    split = f"the rows after the first {used}"
    if not len(left):
        left, split = held_out_by.ids[:samples], "calibration (nothing held out)"
    if samples is not None and len(left) < samples:
        raise too_few("eval_samples", samples, len(left), f"{file.name} ({split})")
    return _from_rows(file, left, split)


def _after(rows: Iterator[Tensor], count: int) -> Iterator[Tensor]:
    return islice(rows, count, None)


def _from_rows(file: DataFile, ids: Tensor, split: str) -> Windows:
    return windows(
        ids,
        dataset=file.name,
        dataset_sha256=file.sha256(),
        split=split,
        stride=ids.shape[1],
    )


def _from_text(
    reference: DatasetReference,
    text: Text,
    ids: Tensor,
    *,
    stride: int | None = None,
    seed: int | None = None,
) -> Windows:
    facts: dict[str, Any] = {"dataset": reference.name, "dataset_sha256": text.sha256}
    facts |= {"revision": text.revision, "split": text.split, "documents": len(text.documents)}
    facts |= {"joiner": text.joiner, "stride": stride, "seed": seed}
    facts |= {"text_field": text.text_field}
    return windows(ids, **{key: value for key, value in facts.items() if value is not None})
