"""Compression of downloads by zstd: one frame, made and read piece by piece."""

import sys
from collections.abc import Iterable, Iterator

from zpruner.files.errors import FilesError

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd

LEVEL = 1
"""Level 3 takes twice the time for 2 % less."""
PIECE_BYTES = 1 << 20
WINDOW_LOG = 23
"""The window that a content coding may have, as a power of two (RFC 9659)."""


def compressed(chunks: Iterable[bytes], level: int = LEVEL) -> Iterator[bytes]:
    """Yield one frame that holds the chunks.

    Each chunk gives a piece, which may be empty, so that no step takes longer than a chunk does.
    """
    compressor = zstd.ZstdCompressor(level)
    yield from map(compressor.compress, chunks)
    yield compressor.flush()


class Expansion:
    """The content of one frame, in pieces of at most a megabyte, whatever the frame says.

    Args:
        name: what is expanded, for errors.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        limits: dict[int, int] = {zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
        self._frame = zstd.ZstdDecompressor(options=limits)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield the content that the next bytes of the frame hold.

        Raises:
            FilesError: they belong to no frame, or to one with a larger window.
        """
        try:
            yield self._frame.decompress(data, PIECE_BYTES)
            while not (self._frame.needs_input or self._frame.eof):
                yield self._frame.decompress(b"", PIECE_BYTES)
        except (zstd.ZstdError, EOFError) as error:
            raise FilesError(f"{self._name} is not compressed by zstd: {error}") from None
