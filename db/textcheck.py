"""Whether an uploaded file is text that jobs can use, looked at piece by piece."""

from codecs import getincrementaldecoder
from collections.abc import Iterator

from db.datafiles import REMEDY, ROW_SUFFIXES, DataFile, TextRow
from db.errors import SpecRefusedError, UploadRefusedError

PIECE_BYTES = 1 << 20
SEND = 'Send UTF-8 text, or JSONL with one {"text": "…"} a line.'


def check_upload(file: DataFile) -> None:
    """Refuse what no job could read; a text is never in memory as a whole.

    Raises:
        UploadRefusedError: it is binary, empty, or a line is not what it should be.
    """
    try:
        is_jsonl = file.path.suffix in ROW_SUFFIXES
        texts = _rows(file) if is_jsonl else _pieces(file)
        has_text = False
        for text in texts:
            has_text = has_text or bool(text.strip())
        if not has_text:
            raise file.refused("it holds no text")
    except SpecRefusedError as error:
        remedy = SEND if error.remedy == REMEDY else error.remedy
        raise UploadRefusedError(
            error.field, error.value, error.code, error.reason, remedy
        ) from None


def _rows(file: DataFile) -> Iterator[str]:
    for row in file.rows():
        if not isinstance(row, TextRow):
            raise file.refused(f"line {row.line} holds input_ids, which only local: files may")
        if not row.text:
            raise file.refused(f"line {row.line} holds an empty text", "Leave such lines out.")
        yield row.text


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
