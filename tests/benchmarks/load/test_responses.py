"""Responses are the same however their bytes are split into packets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.load.responses import ResponseParser, header

RECEIVED = (
    b'HTTP/1.1 200 OK\r\nETag: "job-1"\r\nContent-Length: 6\r\n\r\n{"\r\n"}'
    b'HTTP/1.1 304 Not Modified\r\netag: "job-1"\r\n\r\n'
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: 6\r\n\r\n"
    b"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\n{}"
)
RESPONSES = [
    (200, b'"job-1"', b'{"\r\n"}'),
    (304, b'"job-1"', b""),
    (503, b"", b""),
    (304, b"", b""),
    (200, b"", b"{}"),
]


@given(st.lists(st.integers(0, len(RECEIVED)), max_size=20).map(sorted))
def test_packets_may_be_split_anywhere(cuts: list[int]) -> None:
    parser, found = ResponseParser(), []
    for start, end in zip([0, *cuts], [*cuts, len(RECEIVED)], strict=True):
        found += parser.feed(RECEIVED[start:end])
    assert [(one.status, one.etag, one.body) for one in found] == RESPONSES


def test_an_incomplete_body_is_no_response() -> None:
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab") == []
    assert [one.body for one in parser.feed(b"c")] == [b"abc"]


def test_a_response_of_unknown_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        ResponseParser().feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


def test_a_header_is_found_by_its_whole_name() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-ETag: 1\r\nNote: etag: 2\r\nETAG:3 "
    assert header(head, b"etag") == b"3"
    assert header(head, b"tag") == b""
