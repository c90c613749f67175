"""Requests made up from the OpenAPI document, against the running application."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.schemas import BaseSchema

from db.session import Sessions
from db.states import JobState
from db.store import ArtifactStore
from tests.api.live import serving
from tests.api.work import finish_job
from tests.factories import make_job

schema = schemathesis.pytest.from_fixture("documented")


@pytest.fixture
def documented(app: FastAPI, sessions: Sessions, store: ArtifactStore) -> Iterator[BaseSchema]:
    """The document of a running application that has a few jobs."""
    make_job(sessions)
    make_job(sessions, status=JobState.failed, attempt=1)
    finish_job(sessions, store)
    with serving(app) as url:
        yield schemathesis.openapi.from_url(f"{url}/openapi.json")


@schema.parametrize()
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_the_document_says(case: Case[Any]) -> None:
    case.call_and_validate()
