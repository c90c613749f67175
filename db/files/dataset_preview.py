"""The beginning of an uploaded dataset, to be shown to users."""

import csv
import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from db.spec.datasets.files import DELIMITERS, JSON_SUFFIXES

READ_BYTES = 64 << 10
MAX_LINES = 20
MAX_CHARACTERS = 500
"""The maximum length of a line or of a field's name."""
MAX_FIELDS = 50


@dataclass(frozen=True)
class Preview:
    """The first lines of a file, and the fields of its first row.

    Attributes:
        lines: the first lines, each cut to ``MAX_CHARACTERS``.
        fields: the names of the first row's fields, at most ``MAX_FIELDS``; empty for plain text,
            and for a JSON row that is not an object or does not end within ``READ_BYTES``.
    """

    lines: list[str]
    fields: list[str]


def preview(path: Path) -> Preview:
    """Read the beginning of a file; a missing file gives an empty preview."""
    try:
        with path.open("rb") as file:
            content = file.read(READ_BYTES)
    except FileNotFoundError:
        return Preview([], [])
    text = content.decode(errors="ignore").removeprefix("\ufeff")
    # Not splitlines: JSON may have other line ends, such as U+2028, within a row.
    lines = [line.rstrip("\r\n") for line in StringIO(text)]
    filled = [line for line in lines if line.strip()]
    fields = _fields(path.suffix, filled[0]) if filled else []
    shown = [field[:MAX_CHARACTERS] for field in fields[:MAX_FIELDS]]
    return Preview([line[:MAX_CHARACTERS] for line in lines[:MAX_LINES]], shown)


def _fields(suffix: str, line: str) -> list[str]:
    if suffix in JSON_SUFFIXES:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):  # it was cut
            return []
        return list(row) if isinstance(row, dict) else []
    if suffix in DELIMITERS:
        return next(csv.reader([line], delimiter=DELIMITERS[suffix]), [])
    return []
