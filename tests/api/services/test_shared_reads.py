"""Reads that many callers wait for together."""

import asyncio
import threading
from collections import Counter

import pytest

from api.services.shared_reads import AT_ONCE, SharedReads


def test_callers_share_a_read_that_has_not_begun() -> None:
    gate, reads = threading.Event(), Counter[str]()

    def read(key: str) -> str:
        gate.wait(60)
        reads[key] += 1
        return key.upper()

    async def ask() -> list[str]:
        shared = SharedReads(read)
        first = [asyncio.create_task(shared.get(f"slow {n}")) for n in range(AT_ONCE)]
        await asyncio.sleep(0)
        many = [asyncio.create_task(shared.get("wanted")) for _ in range(100)]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(*first)
        return await asyncio.gather(*many)

    assert asyncio.run(ask()) == ["WANTED"] * 100
    assert reads["wanted"] == 1


def test_a_read_that_has_begun_is_not_shared() -> None:
    """What was written after it began would be missed."""
    begun, gate, rows = threading.Event(), threading.Event(), ["before"]

    def read(_: str) -> str:
        row = rows[-1]
        begun.set()
        gate.wait(60)
        return row

    async def ask() -> list[str]:
        shared = SharedReads(read)
        first = asyncio.create_task(shared.get("job"))
        await asyncio.to_thread(begun.wait, 60)
        rows.append("after")
        second = asyncio.create_task(shared.get("job"))
        await asyncio.sleep(0)
        gate.set()
        return [await first, await second]

    assert asyncio.run(ask()) == ["before", "after"]


def test_a_cancelled_caller_does_not_cancel_the_read_of_the_others() -> None:
    gate = threading.Event()

    def read(key: str) -> str:
        gate.wait(60)
        return key

    async def ask() -> str:
        shared = SharedReads(read)
        leaving, staying = (asyncio.create_task(shared.get("job")) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        gate.set()
        return await staying

    assert asyncio.run(ask()) == "job"


def test_a_failure_reaches_all_callers_and_the_next_call_reads_again() -> None:
    answers = iter([LookupError("gone"), None])

    def read(_: str) -> str:
        if (error := next(answers)) is not None:
            raise error
        return "back"

    async def ask() -> list[object]:
        shared = SharedReads(read)
        both = await asyncio.gather(shared.get("job"), shared.get("job"), return_exceptions=True)
        return [*map(type, both), await shared.get("job")]

    assert asyncio.run(ask()) == [LookupError, LookupError, "back"]
