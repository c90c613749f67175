from pathlib import Path

import pytest

from worker.pruning.base import waiting
from worker.pruning.base.waiting import WaitingClock, waited_seconds


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of that in which Linux counts, and 10 seconds between two readings."""
    monkeypatch.setattr(waiting, "_COUNTED", tmp_path / "schedstat")
    seconds = iter(range(0, 1000, 10))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(seconds)))
    return tmp_path / "schedstat"


def test_the_share_of_waiting_is_that_since_the_clock_started(counted: Path) -> None:
    counted.write_text("7000000000 2000000000 12\n")
    clock = WaitingClock()
    counted.write_text("9000000000 8000000000 99\n")
    assert clock.share() == pytest.approx(0.6)


@pytest.mark.parametrize("content", [None, "", "nothing"])
def test_without_a_count_there_is_no_share(counted: Path, content: str | None) -> None:
    if content is not None:
        counted.write_text(content)
    assert waited_seconds() is None
    assert WaitingClock().share() is None
