"""Files of text that a job names, read with caps and refused with the line at fault."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from importlib import import_module
from pathlib import Path
from typing import Any

from db.core.errors import SpecRefusedError
from db.spec.datarows import (
    REMEDY,
    TEXT_FIELDS,
    ChatRow,
    DatasetName,
    IdsRow,
    Row,
    RowReader,
    TextRow,
    text_length,
)

__all__ = ["REMEDY", "ChatRow", "DataFile", "IdsRow", "TextRow"]

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
ROW_SUFFIXES = (*JSON_SUFFIXES, *DELIMITERS, PARQUET)
"""What is read row by row; everything else is one plain text."""
MAX_FILE_BYTES = 2 << 30
MAX_TEXT_BYTES = 64 << 20
MAX_LINE_BYTES = 16 << 20
PARQUET_ROWS = 64
"""How many rows of a Parquet file are in memory at once."""

Objects = Iterator[tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class DataFile:
    """A file of text.

    Attributes:
        path: where it lies.
        field: the field of the specification that names it.
        name: what that field holds.
        text_field: which field of its rows is used; None takes a known one.
    """

    path: Path
    field: str
    name: str
    text_field: str | None = None

    @property
    def dataset(self) -> DatasetName:
        """The file as the specification names it."""
        return DatasetName(self.field, self.name, self.text_field)

    @property
    def suffix(self) -> str:
        """What the file is, by its name."""
        return self.path.suffix.lower()

    @property
    def holds_rows(self) -> bool:
        """Whether it is read row by row."""
        return self.suffix in ROW_SUFFIXES

    def refused(self, reason: str, remedy: str = REMEDY) -> SpecRefusedError:
        """Return the refusal to raise."""
        return self.dataset.refused(reason, remedy)

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order: one of a plain text, else one of each object; all of one kind.

        Raises:
            SpecRefusedError: the file is too large, binary, or a row is not what it should be.
        """
        if self.holds_rows:
            yield from self._capped()
            return
        try:
            self._refuse_size()
            yield TextRow(1, self._plain())
        except OSError as error:
            raise self._unreadable(error) from error

    def objects(self) -> Objects:
        """Yield each row's fields, and the line that it ends on (its number in a Parquet file).

        Raises:
            SpecRefusedError: the file is too large, or a row cannot be read.
        """
        try:
            self._refuse_size()
            if self.suffix in DELIMITERS:
                yield from self._cells()
            elif self.suffix == PARQUET:
                yield from self._columns()
            else:
                yield from self._lines_of_json()
        except OSError as error:
            raise self._unreadable(error) from error

    def first(self) -> Row:
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
            raise self._unreadable(error) from error
        if found != expected:
            raise SpecRefusedError(
                self.field,
                self.name,
                "damaged_dataset",
                f"its file has changed since it was uploaded (sha256 {found}, not {expected})",
                "Delete it (DELETE /v1/datasets/{id}), upload it again, and name the new one.",
            )

    def _unreadable(self, error: OSError) -> SpecRefusedError:
        return self.refused(f"the file cannot be read ({error.strerror or error})")

    def _refuse_size(self) -> None:
        if not self.path.is_file():
            raise self.refused("there is no such file")
        cap = MAX_FILE_BYTES if self.holds_rows else MAX_TEXT_BYTES
        if self.path.stat().st_size > cap:
            raise self.refused(f"it is larger than {cap >> 20} MiB", "Name a smaller part of it.")

    def _plain(self) -> str:
        if self.text_field is not None:
            raise SpecRefusedError(
                TEXT_FIELDS[self.field],
                self.text_field,
                "unknown_text_field",
                f"{self.name} is plain text, which has no fields",
                "Leave it out, or name a .jsonl, .csv or .parquet file.",
            )
        text = self._decoded(self.path.read_bytes(), 1)
        if not text.strip():
            raise self.refused("it is empty")
        return text

    def _capped(self) -> Iterator[Row]:
        reader = RowReader(self.dataset, "row" if self.suffix == PARQUET else "line")
        characters, row = 0, None
        for line, values in self.objects():
            row = reader.row(line, values)
            characters += text_length(row)
            if characters > MAX_TEXT_BYTES:
                reason = f"it holds more than {MAX_TEXT_BYTES >> 20} MiB of text"
                raise self.refused(reason, "Name a smaller part of it.")
            yield row
        if row is None:
            raise self.refused("it holds no rows")

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with self.path.open("rb") as file:
            number = 0
            while content := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(content) > MAX_LINE_BYTES:
                    reason = f"line {number} is longer than {MAX_LINE_BYTES >> 20} MiB"
                    raise self.refused(reason, "Split it.")
                yield number, content

    def _lines_of_json(self) -> Objects:
        for line, content in self._lines():
            if not content.strip():
                continue
            try:
                values = json.loads(self._decoded(content, line))
            except (ValueError, RecursionError):
                raise self.refused(f"line {line} is not JSON") from None
            if not isinstance(values, dict):
                raise self.refused(f"line {line} is no JSON object")
            yield line, values

    def _cells(self) -> Objects:
        """Yield the rows of a table whose first line names its columns."""
        csv.field_size_limit(MAX_LINE_BYTES)
        lines = (self._decoded(content, line).removeprefix("\ufeff" if line == 1 else "")
                 for line, content in self._lines())  # fmt: skip
        table = csv.reader(lines, delimiter=DELIMITERS[self.suffix], strict=True)
        names: list[str] = []
        try:
            for cells in table:
                if not cells:
                    continue
                if not names:
                    names = self._header(cells)
                elif len(cells) == len(names):
                    yield table.line_num, dict(zip(names, cells, strict=True))
                else:
                    reason = f"line {table.line_num} has {len(cells)} cells, the first {len(names)}"
                    raise self.refused(reason, "Give each line a cell for each column.")
        except csv.Error as error:
            raise self.refused(f"line {table.line_num} is not CSV ({error})") from None

    def _header(self, cells: list[str]) -> list[str]:
        names = [cell.strip() for cell in cells]
        if len(set(names)) < len(names) or "" in names:
            raise self.refused("its first line does not name each column once")
        return names

    def _columns(self) -> Objects:
        """Yield the rows of a Parquet file, each with the one column that is used."""
        parquet = import_module("pyarrow.parquet")  # 40 MB that no other file needs
        failures = (import_module("pyarrow").ArrowException, ValueError)
        try:
            with parquet.ParquetFile(self.path) as file:
                column = self.dataset.select_field(file.schema_arrow.names)
                batches = file.iter_batches(PARQUET_ROWS, columns=[column], use_threads=False)
                values = (value.as_py() for batch in batches for value in batch.column(0))
                for number, value in enumerate(values, 1):
                    yield number, {column: value}
        except failures as error:
            reason = f"it is no Parquet file that can be read ({str(error)[:200]})"
            raise self.refused(reason) from None

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
