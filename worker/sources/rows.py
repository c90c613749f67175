"""Windows from a file whose rows are token ids."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from db.core.errors import SpecRefusedError
from db.spec.datasets.files import DataFile, IdsRow
from db.spec.inputs.references import DatasetReference, LocalPath
from worker.sources.windows import Windows, windows


def ids_file(reference: DatasetReference, field: str) -> DataFile | None:
    """Return the file of a dataset if its rows contain ``input_ids``, else None.

    Raises:
        SpecRefusedError: the file cannot be read.
    """
    if not isinstance(reference, LocalPath):
        return None
    file = DataFile(reference.path, field, reference.name, reference.text_field)
    return file if isinstance(file.first(), IdsRow) else None


def read_rows(file: DataFile, seq_len: int, vocab_size: int | None) -> Iterator[Tensor]:
    """Yield every row as ``[seq_len]`` int64, in order.

    Raises:
        SpecRefusedError: a row has another length, or an id outside the vocabulary.
    """
    for row in file.rows():
        if not isinstance(row, IdsRow):
            raise TypeError("all rows of the file must have input_ids")
        if len(row.ids) != seq_len:
            reason = f"line {row.line} has {len(row.ids)} ids, a window has {seq_len}"
            raise file.refused(
                reason, f"Give each row {seq_len} ids, or set seq_len to the length of the rows."
            )
        if vocab_size is not None and max(row.ids) >= vocab_size:
            reason = f"line {row.line} has id {max(row.ids)}, the model has {vocab_size} ids"
            raise file.refused(reason, "Encode the text with the model's own tokenizer.")
        yield torch.frombuffer(row.ids, dtype=torch.int64)


def take(
    file: DataFile, windows: Iterator[Tensor], field: str, wanted: int | None, default: int | None
) -> Tensor:
    """Return the first ``wanted`` windows as ``[windows, seq_len]``, but read all to check them.

    If ``wanted`` is None, up to ``default`` windows are returned; if both are None, all are.

    Raises:
        SpecRefusedError: there are fewer than ``wanted``.
    """
    taken = list(islice(windows, wanted or default))
    if wanted is not None and len(taken) < wanted:
        raise too_few(field, wanted, len(taken), file.name)
    for _ in windows:
        pass
    return torch.stack(taken) if taken else torch.empty(0, 0, dtype=torch.int64)


def too_few(field: str, wanted: int, available: int, name: str) -> SpecRefusedError:
    reason = f"{name} has {available}"
    remedy = f"Set {field} to at most {available}, or leave it out."
    return SpecRefusedError(field, wanted, "too_few_rows", reason, remedy)


def windows_of_rows(file: DataFile, ids: Tensor, split: str) -> Windows:
    """Return rows ``[windows, seq_len]`` as windows; ``split`` says which rows they are."""
    facts = {"dataset": file.name, "dataset_sha256": file.sha256(), "split": split}
    return windows(ids, **facts, stride=ids.shape[1])
