"""Rows of a dataset: the field to use, and checks of its content."""

import json
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from db.core.errors import SpecRefusedError

TEXT_FIELDS = {
    "dataset": "text_field",
    "keep_dataset": "keep_text_field",
    "eval_dataset": "eval_text_field",
    "vocabulary.dataset": "vocabulary.text_field",
}
"""For each job field that names a dataset, the job field that selects which row field to use.

Texts that are measured on have no such field if they are in a list.
"""
MIXED = "mix."
"""The start of the fields of texts in a mix, each of which has the same two names in it."""
IDS = "input_ids"
KNOWN_FIELDS = (IDS, "text", "messages")
"""The fields to try when none was selected, in this order."""
MOST_NAMES = 20
REMEDY = (
    "Name a UTF-8 text file, or a JSONL, CSV or Parquet file whose rows have text, chat messages "
    "or input_ids."
)


def text_field_of(field: str) -> str | None:
    """Return the job field that selects a row field of the dataset that ``field`` names, if any."""
    if field.startswith(MIXED):
        return field.replace("dataset", "text_field")
    return TEXT_FIELDS.get(field)


@dataclass(frozen=True)
class TextRow:
    """One document and its line number."""

    line: int
    text: str


@dataclass(frozen=True)
class ChatRow:
    """One conversation and its line number; messages have a ``role`` and ``content``."""

    line: int
    messages: list[dict[str, Any]]


@dataclass(frozen=True)
class IdsRow:
    """One window of token ids (int64) and its line number."""

    line: int
    ids: "array[int]"


Row = TextRow | ChatRow | IdsRow


@dataclass(frozen=True)
class DatasetName:
    """A dataset as a specification names it, for error messages.

    Attributes:
        field: the field of the specification.
        name: the value of that field.
        text_field: which field of each row to use; if None, the first of ``KNOWN_FIELDS`` found.
    """

    field: str
    name: str
    text_field: str | None = None

    def refused(self, reason: str, remedy: str = REMEDY) -> SpecRefusedError:
        return SpecRefusedError(self.field, self.name, "unreadable_dataset", reason, remedy)

    def missing_field(
        self, wanted: str, names: Iterable[str], where: str = "it"
    ) -> SpecRefusedError:
        """Return the error for rows that have the fields `names`, but not `wanted`."""
        reason = f"{where} has no field {wanted}; its fields are {join_names(names)}"
        if (option := text_field_of(self.field)) is None:
            return self.refused(reason, "Give the one with text the name text.")
        remedy = f"Set {option} to the one with text or chat messages."
        if self.text_field is None:
            return self.refused(reason, remedy)
        reason = f"{self.name}: {reason}"
        return SpecRefusedError(option, self.text_field, "unknown_text_field", reason, remedy)

    def select_field(self, names: Iterable[str], where: str = "it") -> str:
        """Return the field to use, out of `names`.

        Raises:
            SpecRefusedError: the selected field is missing; or none was selected, and `names` has
                no known field.
        """
        available = list(names)
        if self.text_field is not None:
            if self.text_field not in available:
                raise self.missing_field(repr(self.text_field), available, where)
            return self.text_field
        if (known := next((name for name in KNOWN_FIELDS if name in available), None)) is None:
            raise self.missing_field("text, messages or input_ids", available, where)
        return known


def join_names(names: Iterable[str]) -> str:
    """Join names for an error message; shorten long ones and long lists."""
    shown = [str(name)[:40] or "''" for name in names]
    more = f" and {len(shown) - MOST_NAMES} more" if len(shown) > MOST_NAMES else ""
    return (", ".join(shown[:MOST_NAMES]) or "none") + more


class RowReader:
    """Converts a file's objects to rows; all come from the same field and have the same type."""

    def __init__(self, dataset: DatasetName, unit: str = "line", field: str | None = None) -> None:
        self._dataset, self._unit = dataset, unit
        self._field = field
        self._kind: type[Row] | None = None

    def row(self, line: int, values: Mapping[str, Any]) -> Row:
        """Convert an object to a row.

        Raises:
            SpecRefusedError: the field is missing or has the wrong type.
        """
        where = f"{self._unit} {line}"
        if self._field is None:
            self._field = self._dataset.select_field(values, where)
        if self._field not in values:
            raise self._dataset.missing_field(repr(self._field), values, where)
        row = self._read(line, where, values[self._field])
        self._kind = self._kind or type(row)
        if type(row) is not self._kind:
            raise self._dataset.refused(f"{where} mixes text with chat messages")
        return row

    def _read(self, line: int, where: str, value: Any) -> Row:
        if self._field == IDS:
            return IdsRow(line, self._ids(where, value))
        if isinstance(value, str):
            self._refuse_surrogates(where, value)
            return TextRow(line, value)
        if isinstance(value, list):
            return ChatRow(line, self._messages(where, value))
        reason = (
            f"{where}: {self._field} is {_shown(value)}, neither a string nor a list of messages"
        )
        raise self._dataset.refused(reason)

    def _messages(self, where: str, messages: list[Any]) -> list[dict[str, Any]]:
        if not messages:
            raise self._dataset.refused(f"{where}: {self._field} has no messages")
        for position, message in enumerate(messages):
            fields = message if isinstance(message, dict) else {}
            if not all(isinstance(fields.get(name), str) for name in ("role", "content")):
                reason = f"{where}: {self._field}[{position}] needs a string role and content"
                raise self._dataset.refused(reason)
            self._refuse_surrogates(where, fields["role"] + fields["content"])
        return messages

    def _ids(self, where: str, ids: Any) -> "array[int]":
        if not isinstance(ids, list) or not ids:
            raise self._dataset.refused(f"{where}: input_ids is not a list of token ids")
        for position, token in enumerate(ids):
            if type(token) is not int or not 0 <= token < 2**63:
                reason = f"{where}: input_ids[{position}] is {_shown(token)}, not a token id"
                raise self._dataset.refused(reason)
        return array("q", ids)

    def _refuse_surrogates(self, where: str, text: str) -> None:
        """Reject unpaired surrogates: JSON can contain them, but tokenizers fail on them."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self._dataset.refused(f"{where} has an unpaired surrogate") from None


def _shown(value: Any) -> str:
    """Return a value for an error message; a nested one may be too deep to be written as JSON."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return json.dumps(value, default=str)[:40]


def text_length(row: Row) -> int:
    """Return the number of characters of text in a row."""
    match row:
        case TextRow(_, text):
            return len(text)
        case ChatRow(_, messages):
            return sum(len(message["content"]) for message in messages)
        case IdsRow():
            return 0
