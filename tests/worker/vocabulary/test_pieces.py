"""Reading and cutting SentencePiece models."""

import pytest

from worker.vocabulary.pieces import piece_texts, with_pieces

PIECES = [b"\x0a\x0b\x0a\x05<unk>\x18\x02\x10\x01", b"\x0a\x03\x0a\x01a", b"\x0a\x03\x0a\x01b"]
OTHERS = (
    b"\x12\x04\x08\x01\x10\x02" + b"\x1d\x00\x00\x80\x3f" + b"\x21" + bytes(8) + b"\x28\x96\x01"
)
"""A message, a number of 32 bits, one of 64, and one of variable length."""


def test_the_pieces_that_stay_are_copied_byte_for_byte() -> None:
    model = b"".join(PIECES) + OTHERS
    assert piece_texts(model) == ["<unk>", "a", "b"]
    assert with_pieces(model, [0, 2]) == PIECES[0] + PIECES[2] + OTHERS


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (b"IQ== 0\nIg== 1\n", "not every piece has a text"),
        (b"\x0a\x03\x0a\x01", "ends after the file"),
        (b"\x0b", "unknown kind 3"),
        (b"\x08\xff\xff", "a number has no end"),
        (b"\x0a\x02\x18\x02", "not every piece has a text"),
        (b"", "not every piece has a text"),
    ],
)
def test_another_file_is_no_sentencepiece_model(model: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        piece_texts(model)
