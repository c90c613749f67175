"""Dataset files, read with size limits and with errors that name the line."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from db.core.errors import SpecRefusedError
from db.spec.datasets.rows import (
    REMEDY,
    ChatRow,
    DatasetName,
    IdsRow,
    Row,
    RowReader,
    TextRow,
    text_field_of,
    text_length,
)
from zpruner.files.digests import file_sha256

__all__ = ["REMEDY", "ChatRow", "DataFile", "IdsRow", "TextRow"]

JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
ROW_SUFFIXES = (*JSON_SUFFIXES, *DELIMITERS, PARQUET)
"""The suffixes of files with rows; a file with any other suffix is read as one plain text."""
MAX_FILE_BYTES = 2 << 30
MAX_TEXT_BYTES = 64 << 20
MAX_LINE_BYTES = 16 << 20
MAX_ROWS = 1_000_000
"""A row takes some 200 bytes in memory, even without text; Parquet stores a billion in a few KB."""
PARQUET_ROWS = 64
"""The number of rows of a Parquet file in memory at once."""

Objects = Iterator[tuple[int, dict[str, Any]]]


@dataclass(frozen=True)
class DataFile:
    """A dataset file that a specification names.

    Attributes:
        path: the file's path.
        field: the field of the specification that names it.
        name: the value of that field.
        text_field: which field of each row to use; if None, the first of ``KNOWN_FIELDS`` found.
    """

    path: Path
    field: str
    name: str
    text_field: str | None = None

    @property
    def dataset(self) -> DatasetName:
        return DatasetName(self.field, self.name, self.text_field)

    @property
    def suffix(self) -> str:
        """The file's suffix in lower case, which determines its format."""
        return self.path.suffix.lower()

    @property
    def holds_rows(self) -> bool:
        """Whether the file has rows; otherwise it is one plain text."""
        return self.suffix in ROW_SUFFIXES

    def refused(self, reason: str, remedy: str = REMEDY) -> SpecRefusedError:
        return self.dataset.refused(reason, remedy)

    def rows(self) -> Iterator[Row]:
        """Yield the rows in order, all of one type; a plain text is one row.

        Raises:
            SpecRefusedError: the file cannot be read, is too large or empty, or has no field
                ``text_field``; or a row is not valid.
        """
        if self.holds_rows:
            yield from self._limited_rows()
            return
        try:
            self._refuse_size()
            yield TextRow(1, self._plain())
        except OSError as error:
            raise self._unreadable(error) from error

    def objects(self) -> Objects:
        """Yield each row's number and fields.

        The number is the line on which the row ends. For a Parquet file, it is the row's position,
        from 1, and only the field to use is read.

        Raises:
            SpecRefusedError: the file is too large or has too many rows, or the file or a row
                cannot be read.
        """
        try:
            self._refuse_size()
            for number, row in enumerate(self._objects(), 1):
                if number > MAX_ROWS:
                    reason = f"it has more than {MAX_ROWS:,} rows"
                    raise self.refused(reason, "Name a smaller part of it.")
                yield row
        except OSError as error:
            raise self._unreadable(error) from error

    def first(self) -> Row:
        """Return the first row.

        Raises:
            SpecRefusedError: the file has no rows, or the first one cannot be read.
        """
        for row in self.rows():
            return row
        raise self.refused("it has no rows")

    def sha256(self) -> str:
        return file_sha256(self.path)

    def require_digest(self, expected: str) -> None:
        """Check that the file has not changed since it was uploaded.

        Raises:
            SpecRefusedError: the file has changed or cannot be read.
        """
        try:
            digest = self.sha256()
        except OSError as error:
            raise self._unreadable(error) from error
        if digest != expected:
            raise SpecRefusedError(
                self.field,
                self.name,
                "damaged_dataset",
                f"its file has changed since it was uploaded (sha256 {digest}, not {expected})",
                "Delete it (DELETE /v1/datasets/{id}), upload it again, and name the new one.",
            )

    def require_size(self, size_bytes: int) -> None:
        """Check that a file of this size may be read.

        Raises:
            SpecRefusedError: it is too large.
        """
        cap = MAX_FILE_BYTES if self.holds_rows else MAX_TEXT_BYTES
        if size_bytes > cap:
            raise self.refused(f"it is larger than {cap >> 20} MiB", "Name a smaller part of it.")

    def _unreadable(self, error: OSError) -> SpecRefusedError:
        return self.refused(f"the file cannot be read ({error.strerror or error})")

    def _refuse_size(self) -> None:
        if not self.path.is_file():
            raise self.refused("there is no such file")
        self.require_size(self.path.stat().st_size)

    def _plain(self) -> str:
        if self.text_field is not None:
            raise SpecRefusedError(
                text_field_of(self.field) or self.field,
                self.text_field,
                "unknown_text_field",
                f"{self.name} is plain text, which has no fields",
                "Leave it out, or name a .jsonl, .csv or .parquet file.",
            )
        text = self._decoded(self.path.read_bytes(), 1)
        if not text.strip():
            raise self.refused("it is empty")
        return text

    def _limited_rows(self) -> Iterator[Row]:
        reader = RowReader(self.dataset, "row" if self.suffix == PARQUET else "line")
        characters, row = 0, None
        for line, values in self.objects():
            row = reader.row(line, values)
            characters += text_length(row)
            if characters > MAX_TEXT_BYTES:
                reason = f"it has more than {MAX_TEXT_BYTES >> 20} MiB of text"
                raise self.refused(reason, "Name a smaller part of it.")
            yield row
        if row is None:
            raise self.refused("it has no rows")

    def _objects(self) -> Objects:
        if self.suffix in DELIMITERS:
            return self._table_rows()
        return self._parquet_rows() if self.suffix == PARQUET else self._json_rows()

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with self.path.open("rb") as file:
            number = 0
            while content := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(content) > MAX_LINE_BYTES:
                    reason = f"line {number} is longer than {MAX_LINE_BYTES >> 20} MiB"
                    raise self.refused(reason, "Split it.")
                yield number, content

    def _json_rows(self) -> Objects:
        for line, content in self._lines():
            if not content.strip():
                continue
            try:
                values = json.loads(self._decoded(content, line))
            except (ValueError, RecursionError):
                raise self.refused(f"line {line} is not JSON") from None
            if not isinstance(values, dict):
                raise self.refused(f"line {line} is not a JSON object")
            yield line, values

    def _table_rows(self) -> Objects:
        """Yield the rows of a CSV or TSV file, whose first line names its columns."""
        csv.field_size_limit(MAX_LINE_BYTES)
        row_bytes = 0

        def lines() -> Iterator[str]:
            nonlocal row_bytes
            for line, content in self._lines():
                row_bytes += len(content)  # a row with quoted line ends has several lines
                if row_bytes > MAX_LINE_BYTES:
                    reason = f"the row with line {line} is longer than {MAX_LINE_BYTES >> 20} MiB"
                    raise self.refused(reason, "Split it.")
                yield self._decoded(content, line).removeprefix("\ufeff" if line == 1 else "")

        table = csv.reader(lines(), delimiter=DELIMITERS[self.suffix], strict=True)
        names: list[str] = []
        try:
            for cells in table:
                row_bytes = 0
                if not cells:
                    continue
                if not names:
                    names = self._header(cells)
                elif len(cells) == len(names):
                    yield table.line_num, dict(zip(names, cells, strict=True))
                else:
                    reason = f"line {table.line_num} has {len(cells)} cells, the first {len(names)}"
                    raise self.refused(reason, "Each line needs one cell for each column.")
        except csv.Error as error:
            raise self.refused(f"line {table.line_num} is not CSV ({error})") from None

    def _header(self, cells: list[str]) -> list[str]:
        names = [cell.strip() for cell in cells]
        if len(set(names)) < len(names) or "" in names:
            raise self.refused("its first line does not name each column once")
        return names

    def _parquet_rows(self) -> Objects:
        """Yield the rows of a Parquet file; each row has only the column that is used."""
        parquet = import_module("pyarrow.parquet")  # 40 MB, needed for Parquet only
        failures = (import_module("pyarrow").ArrowException, ValueError)
        try:
            with parquet.ParquetFile(self.path) as file:
                column = self.dataset.select_field(file.schema_arrow.names)
                batches = file.iter_batches(PARQUET_ROWS, columns=[column], use_threads=False)
                values = (value.as_py() for batch in batches for value in batch.column(0))
                for number, value in enumerate(values, 1):
                    yield number, {column: value}
        except failures as error:
            reason = f"it is not a readable Parquet file ({str(error)[:200]})"
            raise self.refused(reason) from None

    def _decoded(self, content: bytes, line: int) -> str:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            line += content.count(b"\n", 0, error.start)
            raise self.refused(f"line {line} is not UTF-8 (byte {error.start})") from None
        if (at := text.find("\0")) >= 0:
            line += text.count("\n", 0, at)
            raise self.refused(f"line {line} has a NUL byte, so it is not text")
        return text
