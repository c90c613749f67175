"""Calibration and evaluation windows of a dataset."""

from itertools import islice
from typing import Any

from torch import Tensor

from db.spec.datafiles import DataFile
from db.spec.references import DatasetReference
from worker.sources.documents import Text
from worker.sources.encoding import (
    Encoder,
    Tokenizer,
    consecutive_windows,
    document_windows,
    random_windows,
)
from worker.sources.rows import ids_file, read_rows, take, too_few
from worker.sources.texts import load_texts
from worker.sources.windows import Windows, windows

__all__ = ["Tokenizer", "Windows", "calibration_windows", "evaluation_windows", "row_length"]

DEFAULT_SAMPLES = 128


def row_length(reference: DatasetReference) -> int | None:
    """Return the length of the first row of ``input_ids``; None for text.

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
    """Return the windows that a model is calibrated on.

    Rows of ``input_ids`` are used unchanged, from the first. Text is encoded as a whole and cut at
    random places, which depend on the seed only.

    Args:
        reference: what ``parse_dataset`` returned.
        tokenizer: the model's; may be None for rows of ``input_ids``.
        samples: the number of windows; None uses 128, or fewer if the dataset is smaller.
        seq_len: tokens in each window.
        seed: of the random places.
        vocab_size: the size of the model's vocabulary.
        hold_out: whether to hold out text for ``evaluation_windows(held_out_by=...)``; False if
            the evaluation uses another dataset.

    Raises:
        SpecRefusedError: the dataset cannot be read, or is too small.
    """
    if file := ids_file(reference, "dataset"):
        rows = read_rows(file, seq_len, vocab_size)
        ids = take(file, rows, "samples", samples, DEFAULT_SAMPLES)
        return _from_rows(file, ids, f"the first {len(ids)} rows")
    encoder = Encoder(tokenizer, vocab_size, "dataset", reference.name)
    text = load_texts(reference, "calibration", encoder.chat, hold_out=hold_out)
    return _from_text(
        reference, text, _calibration_ids(text, encoder, samples, seq_len, seed), seed=seed
    )


def evaluation_windows(
    reference: DatasetReference,
    tokenizer: Tokenizer | None,
    *,
    seq_len: int,
    samples: int | None = None,
    vocab_size: int | None = None,
    held_out_by: Windows | None = None,
) -> Windows:
    """Return the windows that perplexity is measured on, consecutive from the start.

    Args:
        reference: what ``parse_dataset`` returned.
        tokenizer: the model's; may be None for rows of ``input_ids``.
        seq_len: tokens in each window.
        samples: the number of windows; None uses the whole text.
        vocab_size: the size of the model's vocabulary.
        held_out_by: the calibration windows if they came from the same dataset; then only the
            rest of it is used. None if the evaluation uses another dataset.

    Raises:
        SpecRefusedError: the dataset cannot be read, or is too small.
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
    available = len(ids) // seq_len
    if samples is not None and samples > available:
        raise too_few("eval_samples", samples, available, f"{reference.name} ({text.split})")
    count = samples or min(available, text.max_windows or available)
    return _from_text(reference, text, consecutive_windows(ids, count, seq_len), stride=seq_len)


def _calibration_ids(
    text: Text, encoder: Encoder, samples: int | None, seq_len: int, seed: int
) -> Tensor:
    if text.samples_documents:
        return document_windows(text, encoder, samples or DEFAULT_SAMPLES, seq_len, seed)
    ids = _encoded(text, encoder, seq_len)
    # More windows than fit into the text would only repeat its tokens.
    count = samples or min(DEFAULT_SAMPLES, len(ids) // seq_len)
    return random_windows(ids, count, seq_len, seed)


def _encoded(text: Text, encoder: Encoder, seq_len: int) -> Tensor:
    """Encode the whole text into ``[tokens]``, which is at least one window."""
    ids = encoder.ids(text.joined)
    if len(ids) >= seq_len:
        return ids
    remedy = f"Set seq_len to at most {len(ids)}, or name more text"
    if text.split.endswith("tenth"):
        remedy += ", or name an eval_dataset, so that no text is held out"
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
    left = take(file, islice(rows, used, None), "eval_samples", None, samples)
    split = f"the rows after the first {used}"
    if not len(left):
        left, split = held_out_by.ids[:samples], "calibration (nothing held out)"
    if samples is not None and len(left) < samples:
        raise too_few("eval_samples", samples, len(left), f"{file.name} ({split})")
    return _from_rows(file, left, split)


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
