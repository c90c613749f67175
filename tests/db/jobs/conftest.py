"""Fixtures: a database with thousands of jobs."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text

from db.core.session import Sessions, open_sessions
from db.core.sort_key import SortMetric
from db.core.states import JobState
from db.jobs.search import search_columns
from db.schema.migration import migrate
from db.tables.jobs import Job
from db.tables.labels import JobLabel
from tests.db.conftest import postgres_database
from tests.db.jobs.moments import NEW_YEAR
from tests.db.jobs.plans import MANY
from tests.factories import make_spec


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def many(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sessions]:
    """A database of thousands of jobs, for tests that only read."""
    with ExitStack() as stack:
        if request.param == "postgres":
            url = stack.enter_context(
                postgres_database(request.getfixturevalue("postgres"), "many")
            )
        else:
            url = f"sqlite:///{tmp_path_factory.mktemp('many') / 'many.db'}"
        migrate(url)
        sessions = open_sessions(url)
        stack.callback(sessions.kw["bind"].dispose)
        fill(sessions)
        yield sessions


def fill(sessions: Sessions) -> None:
    """Add thousands of jobs with a label each, and bring PostgreSQL's statistics up to date."""
    rows = [row(index) for index in range(MANY)]
    with sessions.begin() as session:
        session.execute(insert(Job), rows)
        session.execute(insert(JobLabel), [label(job, index) for index, job in enumerate(rows)])
    engine: Engine = sessions.kw["bind"]
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # A commit that is not on the disk yet keeps its rows from being marked as visible.
            connection.execute(text("CHECKPOINT"))
            connection.execute(text("VACUUM ANALYZE jobs, job_labels"))


def row(index: int) -> dict[str, Any]:
    method = ("zpruner", "wanda")[index % 2]
    spec, name = make_spec(model=f"org/model-{index % 7}", method=method), f"number {index}"
    return {
        # `new_id` depends on the time, so that a test could not search for a part of all ids.
        "id": f"job_{index:032x}",
        "spec": spec,
        "name": name,
        "status": JobState.failed if index % 1000 == 0 else JobState.succeeded,
        "created_at": NEW_YEAR + timedelta(seconds=index),
        "created_by": f"key_{index % 7}",
        **dict.fromkeys(SortMetric, index),
        **search_columns(spec, name),
    }


def label(job: dict[str, Any], index: int) -> dict[str, Any]:
    team = ("nlp", "vision")[index % 2]
    return {"job_id": job["id"], "created_at": job["created_at"], "name": "team", "value": team}
