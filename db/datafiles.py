"""Text and JSONL files that a job names, read with caps and refused with the line at fault."""

import json
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from db.errors import SpecRefusedError

ROW_SUFFIXES = (".jsonl", ".ndjson", ".json")
MAX_FILE_BYTES = 2 << 30
MAX_TEXT_BYTES = 64 << 20
MAX_LINE_BYTES = 16 << 20

REMEDY = "Name a UTF-8 text file, or a JSONL file whose rows hold text or input_ids."


@dataclass(frozen=True)
class TextRow:
    """One document, and the line it stands on."""

    line: int
    text: str


@dataclass(frozen=True)
class IdsRow:
    """One window of token ids (int64), and the line it stands on."""

    line: int
    ids: "array[int]"


@dataclass(frozen=True)
class DataFile:
    """A file of text.

    Attributes:
        path: where it lies.
        field: the field of the specification that names it.
        name: what that field holds.
    """

    path: Path
    field: str
    name: str

    def refused(self, reason: str, remedy: str = REMEDY) -> SpecRefusedError:
        """Return the refusal to raise."""
        return SpecRefusedError(self.field, self.name, "unreadable_dataset", reason, remedy)

    def rows(self) -> Iterator[TextRow | IdsRow]:
        """Yield the rows in order: one of a plain text, one a line of JSONL; all of one kind.

        Raises:
            SpecRefusedError: the file is too large, binary, or a line is not what it should be.
        """
        try:
            self._refuse_size()
            if self.path.suffix.lower() in ROW_SUFFIXES:
                yield from self._same_kind()
            else:
                yield TextRow(1, self._plain())
        except OSError as error:
            raise self.refused(f"the file cannot be read ({error.strerror})") from error

    def first(self) -> TextRow | IdsRow:
        """Return the first row.

        Raises:
            SpecRefusedError: there is none, or it cannot be read.
        """
        for row in self.rows():
            return row
        raise self.refused("it holds no rows")

    def sha256(self) -> str:
        """Return the hash of the file's bytes."""
        with self.path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()

    def require_digest(self, expected: str) -> None:
        """Refuse a file whose bytes are not those that were uploaded.

        Raises:
            SpecRefusedError: they have changed since, or cannot be read.
        """
        try:
            found = self.sha256()
        except OSError as error:
            raise self.refused(f"the file cannot be read ({error.strerror})") from error
        if found != expected:
            raise SpecRefusedError(
                self.field,
                self.name,
                "damaged_dataset",
                f"its file has changed since it was uploaded (sha256 {found}, not {expected})",
                "Delete it (DELETE /v1/datasets/{id}), upload it again, and name the new one.",
            )

    def _refuse_size(self) -> None:
        if not self.path.is_file():
            raise self.refused("there is no such file")
        holds_rows = self.path.suffix.lower() in ROW_SUFFIXES
        cap = MAX_FILE_BYTES if holds_rows else MAX_TEXT_BYTES
        if self.path.stat().st_size > cap:
            raise self.refused(f"it is larger than {cap >> 20} MiB", "Name a smaller part of it.")

    def _plain(self) -> str:
        text = self._decoded(self.path.read_bytes(), 1)
        if not text.strip():
            raise self.refused("it is empty")
        return text

    def _same_kind(self) -> Iterator[TextRow | IdsRow]:
        kind, text_bytes = None, 0
        for line, content in self._lines():
            row = self._row(line, content)
            kind = kind or type(row)
            if type(row) is not kind:
                raise self.refused(f"line {line} mixes rows of text with rows of input_ids")
            text_bytes += len(content) if isinstance(row, TextRow) else 0
            if text_bytes > MAX_TEXT_BYTES:
                reason = f"it holds more than {MAX_TEXT_BYTES >> 20} MiB of text"
                raise self.refused(reason, "Name a smaller part of it.")
            yield row
        if kind is None:
            raise self.refused("it holds no rows")

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with self.path.open("rb") as file:
            number = 0
            while content := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(content) > MAX_LINE_BYTES:
                    reason = f"line {number} is longer than {MAX_LINE_BYTES >> 20} MiB"
                    raise self.refused(reason, "Split it.")
                if content.strip():
                    yield number, content

    def _row(self, line: int, content: bytes) -> TextRow | IdsRow:
        try:
            row = json.loads(self._decoded(content, line))
        except (ValueError, RecursionError):
            raise self.refused(f"line {line} is not JSON") from None
        if not isinstance(row, dict):
            raise self.refused(f"line {line} is no JSON object")
        if "input_ids" in row:
            return IdsRow(line, self._ids(line, row["input_ids"]))
        if not isinstance(row.get("text"), str):
            raise self.refused(f"line {line} has neither a string text nor a list input_ids")
        self._refuse_surrogates(line, row["text"])
        return TextRow(line, row["text"])

    def _ids(self, line: int, ids: Any) -> "array[int]":
        if not isinstance(ids, list) or not ids:
            raise self.refused(f"line {line}: input_ids is no list of token ids")
        for position, token in enumerate(ids):
            if type(token) is not int or not 0 <= token < 2**63:
                shown = json.dumps(token)[:40]
                raise self.refused(f"line {line}: input_ids[{position}] is {shown}, no token id")
        return array("q", ids)

    def _refuse_surrogates(self, line: int, text: str) -> None:
        """JSON can spell half a character, which no tokenizer takes."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise self.refused(f"line {line} holds half of a surrogate pair") from None

    def _decoded(self, content: bytes, line: int) -> str:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line += content.count(b"\n", 0, error.start)
            raise self.refused(f"line {line} is not UTF-8 (byte {error.start})") from None
        if (at := text.find("\0")) >= 0:
            line += text.count("\n", 0, at)
            raise self.refused(f"line {line} holds a NUL byte, so it is no text")
        return text
