"""The evaluation windows of a dataset, and the length of its rows."""

from dataclasses import replace
from itertools import islice

from torch import Tensor

from db.core.errors import SpecRefusedError
from db.spec.datasets.files import DataFile
from db.spec.inputs.references import Builtin, DatasetReference
from worker.sources.encoding import Encoder, Tokenizer, consecutive_windows, encode_text
from worker.sources.rows import ids_file, read_rows, take, too_few, windows_of_rows
from worker.sources.texts import load_texts
from worker.sources.windows import Windows, windows_of_text


def row_length(reference: DatasetReference) -> int | None:
    """Return the length of the first row of ``input_ids``; None for text.

    Raises:
        SpecRefusedError: the file cannot be read.
    """
    file = ids_file(reference, "dataset")
    first = file.first() if file else None
    return len(first.ids) if first and hasattr(first, "ids") else None


def evaluation_length(
    reference: DatasetReference | None,
    seq_len: int,
    limit: int,
    model: str,
    field: str = "eval_dataset",
) -> int:
    """Return the number of tokens in each evaluation window.

    Args:
        reference: the evaluation dataset; None if a job names none.
        seq_len: tokens in each calibration window.
        limit: the longest input of the model.
        model: its name, for the error.
        field: the field of the specification that names the dataset, for the error.

    Raises:
        SpecRefusedError: the windows of a named protocol are longer than the model's context.
    """
    if not isinstance(reference, Builtin) or (window := reference.window) is None:
        return seq_len
    if window > limit:
        reason = f"{model} has {limit} positions"
        remedy = f"Name a window of {limit} or less, which is no longer the published protocol."
        raise SpecRefusedError(field, reference.name, "seq_len_too_long", reason, remedy)
    return window


def evaluation_windows(
    reference: DatasetReference,
    tokenizer: Tokenizer | None,
    *,
    seq_len: int,
    samples: int | None = None,
    vocab_size: int | None = None,
    held_out_by: Windows | None = None,
    field: str = "eval_dataset",
) -> Windows:
    """Return the windows on which perplexity is measured.

    They follow one another from the start of the part that is used for evaluation. A named protocol
    encodes the text with the tokenizer's special tokens, as the code of SparseGPT (Frantar and
    Alistarh, 2023) and Wanda (Sun et al., 2023) does: a BOS of the tokenizer is the first token of
    the first window.

    Args:
        reference: the dataset, as returned by ``parse_dataset``.
        tokenizer: the model's tokenizer; may be None for rows of ``input_ids``.
        seq_len: tokens in each window.
        samples: the number of windows; None uses all, or the dataset's own default number.
        vocab_size: the size of the model's vocabulary; None if token ids are not checked against
            it.
        held_out_by: the calibration windows if they came from the same dataset, else None. If they
            are given, only the rest of the dataset is used; if no row of ``input_ids`` is left, the
            calibration windows are used again.
        field: the field of the specification that names the dataset, if they are not given.

    Raises:
        SpecRefusedError: the dataset cannot be read or encoded, or is too small.
    """
    field = field if held_out_by is None else "dataset"
    if file := ids_file(reference, field):
        return _rows_for_evaluation(file, seq_len, samples, vocab_size, held_out_by)
    is_protocol = isinstance(reference, Builtin) and reference.window is not None
    hold_out = is_protocol or held_out_by is not None
    encoder = Encoder(tokenizer, vocab_size, field, reference.name, special_tokens=is_protocol)
    with encoder.chats() as render:
        text = load_texts(reference, "evaluation", render, field=field, hold_out=hold_out)
    ids = encode_text(text, encoder, seq_len)
    available = len(ids) // seq_len
    if samples is not None and samples > available:
        raise too_few("eval_samples", samples, available, f"{reference.name} ({text.split})")
    count = samples or min(available, text.max_windows or available)
    pieces = consecutive_windows(ids, count, seq_len)
    described = windows_of_text(reference, text, pieces, stride=seq_len)
    starts = {"bos": _starts_with_bos(ids, tokenizer)}
    return replace(described, provenance=described.provenance | starts)


def _starts_with_bos(ids: Tensor, tokenizer: Tokenizer | None) -> bool:
    return int(ids[0]) == getattr(tokenizer, "bos_token_id", None)


def _rows_for_evaluation(
    file: DataFile,
    seq_len: int,
    samples: int | None,
    vocab_size: int | None,
    held_out_by: Windows | None,
) -> Windows:
    rows = read_rows(file, seq_len, vocab_size)
    if held_out_by is None:
        return windows_of_rows(file, take(file, rows, "eval_samples", samples, None), "all rows")
    used = len(held_out_by.ids)
    left = take(file, islice(rows, used, None), "eval_samples", None, samples)
    split = f"the rows after the first {used}"
    if not len(left):
        left, split = held_out_by.ids[:samples], "calibration (nothing held out)"
    if samples is not None and len(left) < samples:
        raise too_few("eval_samples", samples, len(left), f"{file.name} ({split})")
    return windows_of_rows(file, left, split)
