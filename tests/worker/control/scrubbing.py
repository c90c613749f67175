"""Scrubs with a clock that tests set."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.tables.artifacts import Artifact
from worker.control.scrub import Scrub

MIB = 1 << 20
WEEK = timedelta(days=7)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float, step: Callable[[], int]) -> int:
        self.now += seconds
        return step()


def age(sessions: Sessions, days: float) -> None:
    with sessions.begin() as session:
        session.execute(update(Artifact).values(checked_at=now(-timedelta(days=days))))


@contextmanager
def scrubbing(
    sessions: Sessions, store: ArtifactStore, clock: Clock, rate: int = MIB
) -> Iterator[Scrub]:
    scrub = Scrub(sessions, store, every=WEEK, bytes_per_s=rate, clock=clock)
    yield scrub
    scrub.close()
