"""Streams of events, and connections that a server closes."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from benchmarks.load.connection import Connection, Server, StreamRefusedError

STREAM = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"f\r\nretry: 2000\n\n\r\n"
    b'24\r\nevent: paused\ndata: {"id: 7": 1}\nid: 11\n\n\r\n'
    b"a\r\nid: 12\n\n\r\n"
)


async def _with_server(
    received: list[bytes], packets: list[bytes], use: Callable[[Server], Awaitable[None]]
) -> None:
    """Run a server that sends the packets after a request, and then closes the connection."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        for packet in packets:
            writer.write(packet)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as listening:
        await use(Server(*listening.sockets[0].getsockname()))


@pytest.mark.parametrize("cuts", [(), (12,), (60, 61, 100), tuple(range(1, len(STREAM)))])
def test_events_are_reported_once_and_in_order(cuts: tuple[int, ...]) -> None:
    received: list[bytes] = []
    events: list[int] = []
    packets = [STREAM[start:end] for start, end in pairwise((0, *cuts, len(STREAM)))]

    async def follow(server: Server) -> None:
        stream = await server.follow("/job", lambda event, _: events.append(event))
        await stream.ended.wait()

    asyncio.run(_with_server(received, packets, follow))
    assert events == [11, 12]
    assert received[0].startswith(b"GET /job/events HTTP/1.1\r\n")
    assert b"\r\naccept: text/event-stream\r\n" in received[0]


def test_a_refused_stream_is_an_error() -> None:
    async def follow(server: Server) -> None:
        with pytest.raises(StreamRefusedError, match="503"):
            await server.follow("/job", lambda *_: None)

    asyncio.run(_with_server([], [b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"], follow))


def test_a_closed_connection_is_an_error_of_the_present_and_the_next_request() -> None:
    async def ask(server: Server) -> None:
        connection: Connection = await server.connect()
        for _ in range(2):
            with pytest.raises(OSError, match="closed the connection"):
                await connection.request(server.message("/job"))

    asyncio.run(_with_server([], [b"HTTP/1.1 200 OK\r\n"], ask))


def test_a_message_has_its_headers_and_its_body() -> None:
    message = Server("127.0.0.1", 80).message("/job", "PATCH", headers={"a": "b"}, body="{}")
    head, _, body = message.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[:3] == [b"PATCH /job HTTP/1.1", b"host: 127.0.0.1:80", b"a: b"]
    assert (lines[4], body) == (b"content-length: 2", b"{}")
