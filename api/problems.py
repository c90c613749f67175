"""How every refusal looks to a client, and the one place that makes it so."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from api.invalid import described, is_malformed
from db.errors import (
    AddressRefusedError,
    ApiKeyNotFoundError,
    ApiKeyRevokedError,
    ArtifactNotFoundError,
    DeliveryNotFoundError,
    EstimateNotFoundError,
    IllegalTransitionError,
    JobError,
    JobNotFoundError,
    LeaseLostError,
    NoArtifactsError,
    QuotaExceededError,
    SpecRefusedError,
    StaleVersionError,
    SweepNotFoundError,
    WebhookDisabledError,
    WebhookNotFoundError,
    WorkerNotFoundError,
)
from db.problem import FieldProblem, Problem
from db.transitions import allowed_actions


@dataclass(frozen=True)
class Face:
    """How one kind of refusal looks; ``code`` is what programs switch on."""

    status: int
    code: str
    title: str
    hint: str | None = None
    retryable: bool = False


PROBLEMS: dict[type[JobError], Face] = {
    JobNotFoundError: Face(
        404, "job_not_found", "No such job", "GET /v1/jobs lists the jobs there are."
    ),
    ArtifactNotFoundError: Face(
        404,
        "artifact_not_found",
        "No such artifact",
        "GET /v1/jobs/{id}/artifacts lists the files of a job.",
    ),
    WorkerNotFoundError: Face(
        404, "worker_not_found", "No such worker", "GET /v1/workers lists the workers there are."
    ),
    SweepNotFoundError: Face(
        404, "sweep_not_found", "No such sweep", "GET /v1/sweeps lists the sweeps there are."
    ),
    EstimateNotFoundError: Face(
        404,
        "estimate_not_found",
        "No such estimate",
        "Estimates are kept for a day; POST to /v1/estimates for a new one.",
    ),
    IllegalTransitionError: Face(409, "invalid_state", "Not possible in this state"),
    StaleVersionError: Face(
        412,
        "stale_version",
        "The job has changed",
        "GET the job again, decide anew, and send its new ETag in If-Match.",
    ),
    NoArtifactsError: Face(
        409,
        "no_artifacts",
        "The job has no files",
        "Files exist once the job's status is succeeded.",
    ),
    LeaseLostError: Face(409, "lease_lost", "The attempt no longer holds the job"),
    ApiKeyNotFoundError: Face(
        404, "key_not_found", "No such key", "GET /v1/keys lists the keys there are."
    ),
    ApiKeyRevokedError: Face(
        409, "key_revoked", "The key opens nothing", "POST /v1/keys makes another one."
    ),
    QuotaExceededError: Face(429, "quota_exceeded", "The key's quota is used up"),
    WebhookNotFoundError: Face(
        404,
        "webhook_not_found",
        "No such webhook",
        "GET /v1/webhooks lists what there is.",
    ),
    WebhookDisabledError: Face(
        409,
        "webhook_disabled",
        "Nothing is sent to the webhook",
        'PATCH it with {"enabled": true} first: what waits for it is sent then, too.',
    ),
    DeliveryNotFoundError: Face(
        404,
        "delivery_not_found",
        "No such delivery",
        "GET /v1/webhooks/{id}/deliveries lists those of a webhook; they are kept for 30 days.",
    ),
    AddressRefusedError: Face(422, "address_refused", "Nothing is sent to this address"),
    SpecRefusedError: Face(422, "spec_refused", "The specification names something unusable"),
}
"""Every refusal about a job. ``SpecRefusedError`` and its kin bring their own codes and hints;
the hint of ``IllegalTransitionError`` is what the job's state allows."""

JOBS_RETRY_AFTER = {"retry-after": "30"}

IDEMPOTENCY_CONFLICT = Face(
    422,
    "idempotency_conflict",
    "The key belongs to another request",
    "Make a new key for every request; send the same one only to repeat the same request.",
)
INVALID = Face(422, "invalid_request", "The request is not valid")
MALFORMED = Face(400, "malformed_json", "The body is not JSON", "Send one JSON object.")
BAD_RANGE = Face(
    416, "range_not_satisfiable", "No such range", "Ask for bytes inside the file's size."
)
NOT_SUCCEEDED = Face(
    424,
    "not_succeeded",
    "The job did not succeed",
    "POST to its /retry for another attempt, or to its /rerun with changes.",
)
GATE_FAILED = Face(
    424,
    "gate_failed",
    "The job's figures are out of bounds",
    "GET the job for all of its figures; POST to its /rerun with a lower sparsity, another method, "
    "or another gate.",
)
UNFINISHED = Face(
    503, "unfinished", "The job goes on", "Ask again after Retry-After.", retryable=True
)
NOT_READY = Face(503, "not_ready", "The service is not ready", retryable=True)
CROSS_ORIGIN = Face(
    403, "cross_origin", "Another page may not ask", "Call the API from its own origin."
)
NO_DATABASE = Face(
    503,
    "database_unavailable",
    "The database does not answer",
    "Ask again after Retry-After: most often it is being restarted. A change may have been made: "
    "look, or repeat the request with its Idempotency-Key.",
    retryable=True,
)
INTERNAL = Face(
    500,
    "server_error",
    "The service failed",
    "The service's log holds the traceback under this request_id.",
)
PLAIN = {
    400: Face(400, "bad_request", "Bad request"),
    404: Face(404, "not_found", "Not found", "/docs lists what there is."),
    405: Face(405, "method_not_allowed", "Method not allowed", "See the Allow header."),
    413: Face(413, "too_large", "The body is too large", "A job is a few hundred bytes of JSON."),
}
"""Plain HTTP statuses: their type is ``about:blank``."""

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
"""How many fields of one request are refused in words; whoever has more is wrong in another way."""


class RefusalError(Exception):
    """A refusal that concerns HTTP alone."""

    def __init__(
        self,
        face: Face,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldProblem] = (),
    ) -> None:
        super().__init__(face, detail, headers, errors)
        self.face, self.detail, self.headers, self.errors = face, detail, headers, errors


def install(app: FastAPI) -> None:
    """Give every error the app can raise its face."""
    app.add_exception_handler(JobError, _job_error)
    app.add_exception_handler(RefusalError, _refusal)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)


def respond(
    request: Request,
    face: Face,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **fields: Any,
) -> Response:
    """Return the problem document of one refusal."""
    plain = PLAIN.get(face.status) == face
    problem = Problem(
        type="about:blank" if plain else f"/problems/{face.code}",
        instance=printable(request.url.path),
        request_id=request.state.request_id,
        detail=detail,
        **(
            {"status": face.status, "code": face.code, "title": face.title}
            | {"hint": face.hint, "retryable": face.retryable}
            | fields
        ),
    )
    body = json.dumps(problem.model_dump(exclude_none=True))
    return Response(body, face.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def printable(text: str) -> str:
    """Return the text with what UTF-8 cannot hold escaped."""
    return text.encode(errors="backslashreplace").decode()


async def _job_error(request: Request, error: Exception) -> Response:
    face = PROBLEMS[type(error)]  # type: ignore[index] # registered for JobError alone
    # A 409 says that asking again in the same way is of no use.
    headers = {"x-should-retry": "false"} if face.status == 409 else None
    if isinstance(error, SpecRefusedError):
        detail = printable(str(error))
        own = Face(face.status, error.code, face.title, printable(error.remedy))
        field = FieldProblem(pointer=f"/{error.field}", code=error.code, detail=detail)
        return respond(request, own, detail, errors=[field])
    fields: dict[str, Any] = {}
    if isinstance(error, QuotaExceededError):
        fields["hint"] = error.remedy
        # Of the three, only a place among the jobs becomes free while somebody waits.
        if error.quota == "jobs_in_flight":
            headers, fields["retryable"] = JOBS_RETRY_AFTER, True
    if isinstance(error, IllegalTransitionError):
        allowed = ", ".join(allowed_actions(error.current))
        fields["hint"] = f"Of a job that is {error.current} one can ask: {allowed}."
    return respond(request, face, printable(str(error)), headers=headers, **fields)


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusalError)  # noqa: S101 - registered for it alone
    errors = list(error.errors)
    return respond(request, error.face, error.detail, headers=error.headers, errors=errors)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    errors = error.errors()
    if is_malformed(errors):
        first = errors[0]
        return respond(request, MALFORMED, f"{first['ctx']['error']} at byte {first['loc'][1]}.")
    refused = [described(one, request.scope["route"]) for one in errors[:MOST_ERRORS]]
    detail = " ".join(one.problem.detail for one in refused)
    if (more := len(errors) - len(refused)) > 0:
        detail += f" And {more} more."
    hint = " ".join(dict.fromkeys(one.remedy for one in refused))
    return respond(request, INVALID, detail, hint=hint, errors=[one.problem for one in refused])


async def _plain(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    face = PLAIN.get(error.status_code) or Face(
        error.status_code, f"http_{error.status_code}", str(error.detail)
    )
    headers = error.headers
    if error.status_code == 405 and (methods := _methods(request)):
        headers = {**(headers or {}), "allow": ", ".join(sorted(methods))}
    return respond(request, face, str(error.detail), headers=headers)


def _methods(request: Request) -> set[str]:
    """Return what may be asked of a documented path: a route by itself knows its own method."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    same = (verbs for path, verbs in paths.items() if compile_path(path)[0].match(request.url.path))
    return {verb.upper() for verbs in same for verb in verbs}
