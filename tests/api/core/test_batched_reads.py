"""Reads that many callers wait for together."""

import asyncio
from collections.abc import Sequence

import pytest

from api.core.batched_reads import BatchedReads


def test_callers_join_the_read_that_has_not_begun() -> None:
    reads: list[Sequence[str]] = []

    async def ask() -> list[str]:
        gate = asyncio.Event()

        async def read(keys: Sequence[str]) -> dict[str, str | Exception]:
            reads.append(keys)
            await gate.wait()
            return {key: key.upper() for key in keys}

        shared = BatchedReads(read)
        first = asyncio.create_task(shared.get("slow"))
        await asyncio.sleep(0.01)
        many = [asyncio.create_task(shared.get(key)) for key in ["a", "b"] * 50]
        await asyncio.sleep(0)
        gate.set()
        await first
        return await asyncio.gather(*many)

    assert asyncio.run(ask()) == ["A", "B"] * 50
    assert reads == [["slow"], ["a", "b"]]


def test_a_read_that_has_begun_is_not_joined() -> None:
    """It would miss the changes made after it began."""
    rows = ["before"]

    async def ask() -> list[str]:
        begun, gate = asyncio.Event(), asyncio.Event()

        async def read(keys: Sequence[str]) -> dict[str, str | Exception]:
            row = rows[-1]
            begun.set()
            await gate.wait()
            return dict.fromkeys(keys, row)

        shared = BatchedReads(read)
        first = asyncio.create_task(shared.get("job"))
        await begun.wait()
        rows.append("after")
        second = asyncio.create_task(shared.get("job"))
        await asyncio.sleep(0)
        gate.set()
        return [await first, await second]

    assert asyncio.run(ask()) == ["before", "after"]


def test_a_cancelled_caller_does_not_cancel_the_read_of_the_others() -> None:
    async def ask() -> str:
        gate = asyncio.Event()

        async def read(keys: Sequence[str]) -> dict[str, str | Exception]:
            await gate.wait()
            return {key: key for key in keys}

        shared = BatchedReads(read)
        leaving, staying = (asyncio.create_task(shared.get("job")) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        gate.set()
        return await staying

    assert asyncio.run(ask()) == "job"


def test_a_failed_read_raises_in_all_callers_and_the_next_call_reads_again() -> None:
    failures = [LookupError("gone")]

    async def read(keys: Sequence[str]) -> dict[str, str | Exception]:
        if failures:
            raise failures.pop()
        return dict.fromkeys(keys, "back")

    async def ask() -> list[object]:
        shared = BatchedReads(read)
        both = await asyncio.gather(shared.get("job"), shared.get("job"), return_exceptions=True)
        return [*map(type, both), await shared.get("job")]

    assert asyncio.run(ask()) == [LookupError, LookupError, "back"]


def test_the_error_of_one_key_is_raised_only_in_its_callers() -> None:
    async def read(keys: Sequence[str]) -> dict[str, str | Exception]:
        return {key: KeyError(key) if key == "missing" else key for key in keys}

    async def ask() -> list[object]:
        shared = BatchedReads(read)
        calls = (shared.get(key) for key in ("job", "missing"))
        return await asyncio.gather(*calls, return_exceptions=True)

    found, missing = asyncio.run(ask())
    assert found == "job"
    assert isinstance(missing, KeyError)
