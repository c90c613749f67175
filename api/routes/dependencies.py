"""Dependencies of the routes."""

import re
from typing import Annotated

from fastapi import Depends, Header, Path, Query, Request
from pydantic import AfterValidator, JsonValue

from api.problems.json_bodies import sent_json
from api.services.service import Service
from api.web.examples.ids import (
    ARTIFACT_ID,
    DATASET_ID,
    DELIVERY_ID,
    ESTIMATE_ID,
    JOB_ID,
    KEY_ID,
    SWEEP_ID,
    TRIAL_ID,
    TRIGGER_ID,
    WEBHOOK_ID,
    WORKER_ID,
)
from db.core.access_errors import ApiKeyNotFoundError
from db.core.errors import (
    ArtifactNotFoundError,
    DatasetNotFoundError,
    DeliveryNotFoundError,
    EstimateNotFoundError,
    JobNotFoundError,
    NotFoundError,
    SweepNotFoundError,
    TriggerNotFoundError,
    WebhookNotFoundError,
    WorkerNotFoundError,
)
from db.core.ids import Prefix, id_pattern


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


# Dependencies are async, because FastAPI runs others on threads, which takes longer than they do.
# Sessions are opened inside a route and never by a dependency: a dependency would hold a
# connection while it waits for a thread, and threads that wait for connections would starve.
ServiceDep = Annotated[Service, Depends(_service)]


def _id_of(prefix: Prefix, error: type[NotFoundError]) -> AfterValidator:
    """Return a validator that raises ``error`` if an id is malformed; it queries no database."""
    pattern = re.compile(id_pattern(prefix))

    def check(row_id: str) -> str:
        if pattern.fullmatch(row_id) is None:
            raise error(row_id[:64])
        return row_id

    return AfterValidator(check)


JobId = Annotated[str, Path(examples=[JOB_ID]), _id_of("job", JobNotFoundError)]
TrialId = Annotated[str, Path(examples=[TRIAL_ID]), _id_of("job", JobNotFoundError)]
ArtifactId = Annotated[str, Path(examples=[ARTIFACT_ID]), _id_of("art", ArtifactNotFoundError)]
KeyId = Annotated[str, Path(examples=[KEY_ID]), _id_of("key", ApiKeyNotFoundError)]
SweepId = Annotated[str, Path(examples=[SWEEP_ID]), _id_of("swp", SweepNotFoundError)]
EstimateId = Annotated[str, Path(examples=[ESTIMATE_ID]), _id_of("est", EstimateNotFoundError)]
WebhookId = Annotated[str, Path(examples=[WEBHOOK_ID]), _id_of("whk", WebhookNotFoundError)]
TriggerId = Annotated[str, Path(examples=[TRIGGER_ID]), _id_of("trg", TriggerNotFoundError)]
DeliveryId = Annotated[str, Path(examples=[DELIVERY_ID]), _id_of("msg", DeliveryNotFoundError)]
DatasetId = Annotated[str, Path(examples=[DATASET_ID]), _id_of("dat", DatasetNotFoundError)]
WorkerId = Annotated[str, Path(examples=[WORKER_ID]), _id_of("wrk", WorkerNotFoundError)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]*$",
        description="Chosen by the client: a request repeated with the same key is done once.",
    ),
]

SentJson = Annotated[JsonValue, Depends(sent_json)]


async def changes_nothing(request: Request) -> None:
    """Keep a POST request out of the audit log, because it only checks or estimates something."""
    request.state.changes_nothing = True


async def _dry_run(
    request: Request,
    dry_run: Annotated[bool, Query(description="Check the request, but create nothing.")] = False,
) -> bool:
    if dry_run:
        await changes_nothing(request)
    return dry_run


DryRun = Annotated[bool, Depends(_dry_run)]


async def _if_match(
    _: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="An `ETag`: 412 if the present version is another one.",
        ),
    ] = None,
) -> None:
    """Document the ``If-Match`` header, which ``api.web.conditional`` reads."""


async def _if_none_match(
    _: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="An `ETag`: 304 without a body if it is the present version.",
        ),
    ] = None,
) -> None:
    """Document the ``If-None-Match`` header, which ``api.web.conditional`` reads."""


IF_MATCH, IF_NONE_MATCH = Depends(_if_match), Depends(_if_none_match)
