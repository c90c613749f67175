"""Checks of dataset files: before a job is accepted, and when a file is uploaded."""

from codecs import getincrementaldecoder
from collections.abc import Iterator
from itertools import islice
from typing import Any

from db.core.errors import SpecRefusedError
from db.spec.datasets.files import DataFile
from db.spec.datasets.rows import IDS, KNOWN_FIELDS, REMEDY, IdsRow, RowReader, TextRow

PIECE_BYTES = 1 << 20
SEND = 'Send UTF-8 text, CSV, or JSONL with one {"text": "…"} or {"messages": […]} a line.'
PEEKED_ROWS = 100
"""The number of rows to check before a job is accepted; the worker reads all of them."""


def peek(file: DataFile) -> None:
    """Check the first `PEEKED_ROWS` rows of a file that a job names; a plain text is read whole.

    Raises:
        SpecRefusedError: the file cannot be read, is too large or has no rows, or a row is not
            valid.
    """
    if not file.holds_rows:
        read_all(file)
    elif not list(islice(file.rows(), PEEKED_ROWS)):
        raise file.refused("it has no rows")


def read_all(file: DataFile) -> None:
    """Read all rows of a file, as a worker does.

    Raises:
        SpecRefusedError: the file cannot be read, is too large or has no rows, or a row is not
            valid.
    """
    for _ in file.rows():
        pass


def check_upload(file: DataFile) -> None:
    """Check that jobs can read an uploaded file; only a part of it is in memory at a time.

    Raises:
        SpecRefusedError: the file is binary or empty, or a line is not valid.
    """
    try:
        has_text = False
        for text in _texts(file) if file.holds_rows else _pieces(file):
            has_text = has_text or bool(text.strip())
        if not has_text:
            raise file.refused("it has no text")
    except SpecRefusedError as error:
        remedy = SEND if error.remedy == REMEDY else error.remedy
        raise SpecRefusedError(error.field, error.value, error.code, error.reason, remedy) from None


def _texts(file: DataFile) -> Iterator[str]:
    """Yield one text per row: from a known field if the first row has one, else from any field."""
    reader, is_known = RowReader(file.dataset), None
    for line, values in file.objects():
        if is_known is None:
            is_known = any(name in values for name in KNOWN_FIELDS)
        yield _known(file, reader, line, values) if is_known else _any(file, line, values)
    if is_known is None:
        raise file.refused("it has no rows")


def _known(file: DataFile, reader: RowReader, line: int, values: dict[str, Any]) -> str:
    row = reader.row(line, values)
    if isinstance(row, IdsRow):
        raise file.refused(f"line {line} has {IDS}, which only local: files may have")
    if not isinstance(row, TextRow):
        return "".join(message["content"] for message in row.messages)
    if not row.text:
        raise file.refused(f"line {line} has an empty text", "Remove such lines.")
    return row.text


def _any(file: DataFile, line: int, values: dict[str, Any]) -> str:
    """Return the first text in the row that is not blank, whichever field has it.

    If there is none, but a list that is not empty, return the word ``messages``: a job could select
    that field if the list has chat messages.

    Raises:
        SpecRefusedError: the row has neither such a text nor such a list.
    """
    texts = [value for value in values.values() if isinstance(value, str) and value.strip()]
    if not texts and not any(isinstance(value, list) and value for value in values.values()):
        raise file.dataset.missing_field("with text or chat messages", values, f"line {line}")
    return texts[0] if texts else "messages"


def _pieces(file: DataFile) -> Iterator[str]:
    decoder, line = getincrementaldecoder("utf-8")(), 1
    with file.path.open("rb") as opened:
        is_whole = False
        while not is_whole:
            piece = opened.read(PIECE_BYTES)
            is_whole = not piece
            try:
                text = decoder.decode(piece, final=is_whole)
            except UnicodeDecodeError as error:
                line += error.object.count(b"\n", 0, error.start)
                raise file.refused(f"line {line} is not UTF-8") from None
            if (at := text.find("\0")) >= 0:
                line += text.count("\n", 0, at)
                raise file.refused(f"line {line} has a NUL byte, so it is not text")
            line += text.count("\n")
            yield text
