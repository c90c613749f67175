"""Transactions that start at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

from sqlalchemy.orm import Session

from db.core.errors import JobError
from db.core.session import Sessions

Act = Callable[[Session], Any]


def race(
    sessions: Sessions,
    *acts: Act,
    refused: type[Exception] = JobError,
) -> list[Any]:
    """Start all `acts` at the same moment, each in its own transaction; return their results."""
    start = Barrier(len(acts))

    def run(act: Act) -> Any:
        start.wait()
        try:
            with sessions.begin() as session:
                return act(session)
        except refused as error:
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))
