"""Whether a file is text that jobs can use, looked at piece by piece."""

from codecs import getincrementaldecoder
from collections.abc import Iterator
from itertools import islice
from typing import Any

from db.core.errors import SpecRefusedError, UploadRefusedError
from db.spec.datafiles import DataFile
from db.spec.datarows import IDS, KNOWN_FIELDS, REMEDY, IdsRow, RowReader, TextRow

PIECE_BYTES = 1 << 20
SEND = 'Send UTF-8 text, CSV, or JSONL with one {"text": "…"} or {"messages": […]} a line.'
PEEKED_ROWS = 100
"""How much of a file is looked at before a job is accepted; the worker reads it all."""


def peek(file: DataFile) -> None:
    """Read the beginning of a file that a job names, which shows most of what can be wrong.

    Raises:
        SpecRefusedError: it is not what it should be, or lacks the field that was chosen.
    """
    if file.holds_rows:
        if not list(islice(file.rows(), PEEKED_ROWS)):
            raise file.refused("it holds no rows")
        return
    for _ in file.rows():
        pass


def check_upload(file: DataFile) -> None:
    """Refuse what no job could read; a text is never in memory as a whole.

    Raises:
        UploadRefusedError: it is binary, empty, or a line is not what it should be.
    """
    try:
        has_text = False
        for text in _texts(file) if file.holds_rows else _pieces(file):
            has_text = has_text or bool(text.strip())
        if not has_text:
            raise file.refused("it holds no text")
    except SpecRefusedError as error:
        remedy = SEND if error.remedy == REMEDY else error.remedy
        raise UploadRefusedError(
            error.field, error.value, error.code, error.reason, remedy
        ) from None


def _texts(file: DataFile) -> Iterator[str]:
    """Yield the text of each row: of the known field, or where there is none, of all."""
    reader, is_known = RowReader(file.dataset), None
    for line, values in file.objects():
        if is_known is None:
            is_known = any(name in values for name in KNOWN_FIELDS)
        yield _known(file, reader, line, values) if is_known else _any(file, line, values)
    if is_known is None:
        raise file.refused("it holds no rows")


def _known(file: DataFile, reader: RowReader, line: int, values: dict[str, Any]) -> str:
    row = reader.row(line, values)
    if isinstance(row, IdsRow):
        raise file.refused(f"line {line} holds {IDS}, which only local: files may")
    if not isinstance(row, TextRow):
        return "".join(message["content"] for message in row.messages)
    if not row.text:
        raise file.refused(f"line {line} holds an empty text", "Leave such lines out.")
    return row.text


def _any(file: DataFile, line: int, values: dict[str, Any]) -> str:
    """Return what a job that chooses a field may find: strings, or lists for chat messages."""
    texts = [value for value in values.values() if isinstance(value, str) and value.strip()]
    if not texts and not any(isinstance(value, list) and value for value in values.values()):
        raise file.dataset.missing_field("that holds text or chat messages", values, f"line {line}")
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
                raise file.refused(f"line {line} holds a NUL byte, so it is no text")
            line += text.count("\n")
            yield text
