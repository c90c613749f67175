"""One row of a dataset: which of its fields is used, and whether that holds what it should."""

import json
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from db.core.errors import SpecRefusedError

TEXT_FIELDS = {"dataset": "text_field", "eval_dataset": "eval_text_field"}
"""By the field that names a dataset: the one that chooses a field of its rows."""
IDS = "input_ids"
KNOWN_FIELDS = (IDS, "text", "messages")
"""What is used where nothing was chosen, in this order."""
MOST_NAMES = 20
REMEDY = (
    "Name a UTF-8 text file, or a JSONL, CSV or Parquet file whose rows hold text, chat messages "
    "or input_ids."
)


@dataclass(frozen=True)
class TextRow:
    """One document, and the line it stands on."""

    line: int
    text: str


@dataclass(frozen=True)
class ChatRow:
    """One conversation, and the line it stands on; each message has a ``role`` and ``content``."""

    line: int
    messages: list[dict[str, Any]]


@dataclass(frozen=True)
class IdsRow:
    """One window of token ids (int64), and the line it stands on."""

    line: int
    ids: "array[int]"


Row = TextRow | ChatRow | IdsRow


@dataclass(frozen=True)
class DatasetName:
    """A dataset as a specification names it, for what is refused about it.

    Attributes:
        field: the field of the specification.
        name: what that field holds.
        text_field: which field of its rows is used; None takes one of ``KNOWN_FIELDS``.
    """

    field: str
    name: str
    text_field: str | None = None

    def refused(self, reason: str, remedy: str = REMEDY) -> SpecRefusedError:
        """Return the refusal of the dataset."""
        return SpecRefusedError(self.field, self.name, "unreadable_dataset", reason, remedy)

    def missing_field(
        self, wanted: str, names: Iterable[str], where: str = "it"
    ) -> SpecRefusedError:
        """Return the refusal of rows that have ``names``, but not the ``wanted`` one."""
        choice, there = TEXT_FIELDS[self.field], join_names(names)
        reason = f"{where} has no field {wanted}; its fields are {there}"
        remedy = f"Set {choice} to the one that holds text or chat messages."
        if self.text_field is None:
            return self.refused(reason, remedy)
        reason = f"{self.name}: {reason}"
        return SpecRefusedError(choice, self.text_field, "unknown_text_field", reason, remedy)

    def select_field(self, names: Iterable[str], where: str = "it") -> str:
        """Return which of the fields ``names`` is used.

        Raises:
            SpecRefusedError: the one that was chosen is not there, or none was and none is known.
        """
        there = list(names)
        if self.text_field is not None:
            if self.text_field not in there:
                raise self.missing_field(repr(self.text_field), there, where)
            return self.text_field
        if (known := next((name for name in KNOWN_FIELDS if name in there), None)) is None:
            raise self.missing_field("text, messages or input_ids", there, where)
        return known


def join_names(names: Iterable[str]) -> str:
    """Return some of the names, each short enough to be read."""
    shown = [str(name)[:40] or "''" for name in names]
    more = f" and {len(shown) - MOST_NAMES} more" if len(shown) > MOST_NAMES else ""
    return (", ".join(shown[:MOST_NAMES]) or "none") + more


class RowReader:
    """Makes rows of a file's objects, all of one kind and out of one field."""

    def __init__(self, dataset: DatasetName, unit: str = "line", field: str | None = None) -> None:
        self._dataset, self._unit = dataset, unit
        self._field = field
        self._kind: type[Row] | None = None

    def row(self, line: int, values: Mapping[str, Any]) -> Row:
        """Return the row that stands on this line.

        Raises:
            SpecRefusedError: it lacks the field, or that holds something else.
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
        shown = json.dumps(value, default=str)[:40]
        reason = f"{where}: {self._field} is {shown}, neither a string nor a list of messages"
        raise self._dataset.refused(reason)

    def _messages(self, where: str, messages: list[Any]) -> list[dict[str, Any]]:
        if not messages:
            raise self._dataset.refused(f"{where}: {self._field} holds no messages")
        for position, message in enumerate(messages):
            one = message if isinstance(message, dict) else {}
            if not all(isinstance(one.get(name), str) for name in ("role", "content")):
                reason = f"{where}: {self._field}[{position}] has no string role and content"
                raise self._dataset.refused(reason)
            self._refuse_surrogates(where, one["role"] + one["content"])
        return messages

    def _ids(self, where: str, ids: Any) -> "array[int]":
        if not isinstance(ids, list) or not ids:
            raise self._dataset.refused(f"{where}: input_ids is no list of token ids")
        for position, token in enumerate(ids):
            if type(token) is not int or not 0 <= token < 2**63:
                shown = json.dumps(token)[:40]
                reason = f"{where}: input_ids[{position}] is {shown}, no token id"
                raise self._dataset.refused(reason)
        return array("q", ids)

    def _refuse_surrogates(self, where: str, text: str) -> None:
        """JSON can spell half a character, which no tokenizer takes."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self._dataset.refused(f"{where} holds half of a surrogate pair") from None


def text_length(row: Row) -> int:
    """Return how many characters of text a row holds."""
    match row:
        case TextRow(_, text):
            return len(text)
        case ChatRow(_, messages):
            return sum(len(message["content"]) for message in messages)
        case IdsRow():
            return 0
