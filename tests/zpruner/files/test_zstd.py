"""Compression piece by piece, and expansion in bounded memory, whatever a frame says."""

import random
import tracemalloc
from collections.abc import Iterator

import pytest

from zpruner.files.errors import FilesError
from zpruner.files.zstd import PIECE_BYTES, WINDOW_LOG, Expansion, compressed, zstd

MIB = 1 << 20
CONTENT = random.Random(1).randbytes(3 * MIB) + bytes(2 * MIB)


def chunks(content: bytes, size: int = MIB) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def expanded(frame: bytes, received: int = 1000) -> bytes:
    expansion = Expansion("model.safetensors")
    return b"".join(piece for data in chunks(frame, received) for piece in expansion.pieces(data))


@pytest.mark.parametrize("content", [b"", b"a", CONTENT])
def test_what_was_compressed_expands_to_the_same_bytes_however_it_arrives(content: bytes) -> None:
    frame = b"".join(compressed(chunks(content)))
    assert zstd.decompress(frame) == content
    for received in (1000, 70_000, len(frame)):
        assert expanded(frame, received) == content


def test_every_chunk_gives_a_piece_so_that_no_step_takes_long() -> None:
    many = [bytes(1000)] * 300
    assert len(list(compressed(many))) == len(many) + 1


def test_a_small_frame_of_much_content_is_expanded_in_small_pieces() -> None:
    frame = zstd.compress(bytes(64 * MIB))
    expansion = Expansion("model.safetensors")
    tracemalloc.start()
    try:
        sizes = [len(piece) for piece in expansion.pieces(frame)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (sum(sizes), max(sizes)) == (64 * MIB, PIECE_BYTES)
    assert peak < 4 * MIB


def test_a_frame_with_a_larger_window_than_a_content_coding_may_have_is_refused() -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: WINDOW_LOG + 1}
    compressor = zstd.ZstdCompressor(options=options)
    frame = compressor.compress(CONTENT) + compressor.flush()
    with pytest.raises(FilesError, match=r"model\.safetensors is not compressed by zstd"):
        expanded(frame)


def test_other_bytes_and_bytes_after_the_end_are_refused() -> None:
    frame = b"".join(compressed([b"content"]))
    for damaged in (b"x" * 100, frame[:4] + b"\xff" * 20, frame + frame):
        with pytest.raises(FilesError, match=r"model\.safetensors is not compressed by zstd"):
            expanded(damaged, len(frame))
