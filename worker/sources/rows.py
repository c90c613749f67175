"""Windows that a file already holds as token ids."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from db.core.errors import SpecRefusedError
from db.spec.datafiles import DataFile, IdsRow
from db.spec.references import DatasetReference, LocalPath


def ids_file(reference: DatasetReference, field: str) -> DataFile | None:
    """Return the file behind a dataset if its rows hold ``input_ids``.

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
        SpecRefusedError: a row has another length, or an id that the model does not know.
    """
    for row in file.rows():
        if not isinstance(row, IdsRow):
            raise TypeError("a file that begins with input_ids holds nothing else")
        if len(row.ids) != seq_len:
            reason = f"line {row.line} has {len(row.ids)} ids where a window has {seq_len}"
            raise file.refused(reason, f"Give each row {seq_len} ids, or set seq_len to theirs.")
        if vocab_size is not None and max(row.ids) >= vocab_size:
            reason = f"line {row.line} holds id {max(row.ids)}, the model knows {vocab_size}"
            raise file.refused(reason, "Encode the text with the model's own tokenizer.")
        yield torch.frombuffer(row.ids, dtype=torch.int64)


def take(
    file: DataFile, windows: Iterator[Tensor], field: str, wanted: int | None, default: int | None
) -> Tensor:
    """Return the first windows as ``[windows, seq_len]``, and read the rest for its faults.

    Raises:
        SpecRefusedError: there are fewer than ``wanted``.
    """
    taken = list(islice(windows, wanted or default))
    if wanted is not None and len(taken) < wanted:
        raise too_few(field, wanted, len(taken), file.name)
    for _ in windows:
        pass
    return torch.stack(taken) if taken else torch.empty(0, 0, dtype=torch.int64)


def too_few(field: str, wanted: int, there: int, name: str) -> SpecRefusedError:
    """Return the refusal of more windows than a dataset has."""
    reason = f"{name} has {there}"
    remedy = f"Set {field} to at most {there}, or leave it out."
    return SpecRefusedError(field, wanted, "too_few_rows", reason, remedy)
