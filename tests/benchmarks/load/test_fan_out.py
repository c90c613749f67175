"""When an event has reached every stream."""

import asyncio

import pytest

from benchmarks.load import fan_out
from benchmarks.load.fan_out import Arrivals


async def _moments() -> tuple[float, float]:
    arrivals = Arrivals(2)
    arrivals.received(1, 10.0)
    arrivals.received(1, 11.0)
    waiting = asyncio.create_task(arrivals.complete(2))
    await asyncio.sleep(0)
    arrivals.received(2, 12.0)
    arrivals.received(2, 13.0)
    return await arrivals.complete(1), await waiting


def test_an_event_is_complete_when_the_last_stream_has_it() -> None:
    assert asyncio.run(_moments()) == (11.0, 13.0)


def test_an_event_that_a_stream_lacks_is_not_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "MISSED_AFTER_S", 0.01)

    async def wait() -> None:
        arrivals = Arrivals(2)
        arrivals.received(1, 10.0)
        await arrivals.complete(1)

    with pytest.raises(TimeoutError):
        asyncio.run(wait())
