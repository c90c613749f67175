"""The pieces of a SentencePiece model, a ``tokenizer.model`` in the wire format of protobuf."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

_PIECE, _TEXT = 1, 1
"""The numbers of the fields ``ModelProto.pieces`` and ``SentencePiece.piece``."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class _Field(NamedTuple):
    number: int
    stored: bytes
    value: bytes


def piece_texts(model: bytes) -> list[str]:
    """Return the text of each piece, in the order of the ids.

    Raises:
        ValueError: the file is no SentencePiece model.
    """
    pieces = [field.value for field in _fields(model) if field.number == _PIECE]
    texts = [field.value for piece in pieces for field in _fields(piece) if field.number == _TEXT]
    if not texts or len(texts) != len(pieces):
        raise ValueError("not every piece has a text")
    return [text.decode() for text in texts]


def with_pieces(model: bytes, kept: Iterable[int]) -> bytes:
    """Return a SentencePiece model with these pieces, in this order, each with its score."""
    fields = list(_fields(model))
    pieces = [field.stored for field in fields if field.number == _PIECE]
    others = (field.stored for field in fields if field.number != _PIECE)
    return b"".join([*(pieces[index] for index in kept), *others])


def _fields(message: bytes) -> Iterator[_Field]:
    """Yield the fields of a message.

    Raises:
        ValueError: it is malformed.
    """
    place = 0
    while place < len(message):
        start = place
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == _BYTES:
            size, place = _varint(message, place)
            end = place + size
        elif kind == _VARINT:
            end = _varint(message, place)[1]
        elif kind in {_FIXED32, _FIXED64}:
            end = place + (4 if kind == _FIXED32 else 8)
        else:
            raise ValueError(f"a field has the unknown kind {kind}")
        if end > len(message):
            raise ValueError("a field ends after the file")
        yield _Field(tag >> 3, message[start:end], message[place:end])
        place = end


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """Return a number of variable length, and the place after it."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        byte = message[place]
        value, place = value | (byte & 127) << shift, place + 1
        if byte < 128:
            return value, place
    raise ValueError("a number has no end")
