"""Named protocols: a built-in dataset and the length of its windows, as in ``wikitext2@2048``."""

import re

from db.core.errors import SpecRefusedError
from db.spec.datasets.builtin import BUILTIN_DATASETS

SEPARATOR = "@"
MEASURED = ("eval_dataset", "eval_texts")
"""The fields whose texts are measured on."""
MIN_WINDOW, MAX_WINDOW = 2, 32_768
_WINDOW = re.compile(r"[1-9][0-9]{0,4}", re.A)


def built_in(name: str) -> str | None:
    """Return the built-in dataset of a name, with or without a window; None for another name."""
    dataset = name.partition(SEPARATOR)[0]
    return dataset if dataset in BUILTIN_DATASETS else None


def protocol_window(name: str, field: str) -> int | None:
    """Return the length of the windows of a named protocol; None for a built-in dataset alone.

    Args:
        name: a name for which `built_in` returns a dataset.
        field: the field of the specification that holds the name.

    Raises:
        SpecRefusedError: only an evaluation has a protocol, or the window has no valid length.
    """
    dataset, separator, window = name.partition(SEPARATOR)
    if not separator:
        return None
    if not field.startswith(MEASURED):
        reason = "only eval_dataset and eval_texts take a window length after the @"
        remedy = f"Write {dataset}, and set seq_len to the length of the windows."
        raise SpecRefusedError(field, name, "invalid_name", reason, remedy)
    if _WINDOW.fullmatch(window) is None or not MIN_WINDOW <= int(window) <= MAX_WINDOW:
        reason = f"the part after the @ is no window length from {MIN_WINDOW} to {MAX_WINDOW:,}"
        remedy = f"Write the tokens of a window, as in {dataset}@2048."
        raise SpecRefusedError(field, name, "invalid_name", reason, remedy)
    return int(window)
