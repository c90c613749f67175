"""Conversion of errors into responses."""

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.core.problem_response import ProblemError, respond
from api.problems.validation import describe, is_malformed
from db.buckets.errors import BucketError
from db.core.access_errors import QuotaExceededError
from db.core.errors import IllegalTransitionError, JobError, SpecRefusedError, TooManyTrialsError
from db.core.escaping import escape_surrogates, quoted
from db.core.problem import Problem
from db.events.transitions import allowed_actions
from db.problems.catalogue import kind_of, refusal_problem
from db.problems.kind import ProblemKind
from db.problems.plain import PLAIN
from db.problems.requests import INVALID_REQUEST, MALFORMED_JSON
from db.problems.service import STORAGE_UNAVAILABLE

logger = logging.getLogger(__name__)
JOBS_RETRY_AFTER = {"retry-after": "30"}
TRIALS_RETRY_AFTER = {"retry-after": "10"}
BUCKET_RETRY_AFTER = {"retry-after": "10"}
_NO_BUCKET = "The storage of the service's files does not respond."
MAX_FIELD_PROBLEMS = 20
"""How many invalid fields of one request are described; further ones are only counted."""


def install(
    app: FastAPI,
    routes: Sequence[APIRoute],
    missing_page: Callable[[Request], Response | None],
) -> None:
    """Add the handlers that convert the errors of requests into problem documents.

    Args:
        app: the application.
        routes: the documented routes, whose methods a 405 response names.
        missing_page: called with a request for an unknown path. It returns a page for browsers, or
            None if the response should be a problem document.
    """
    for error in (BucketError, JobError, ProblemError, RequestValidationError):
        app.exception_handler(error)(_handle)

    async def plain(request: Request, error: HTTPException) -> Response:
        page = missing_page(request) if error.status_code == 404 else None
        return page or _plain(request, error, routes)

    app.exception_handler(HTTPException)(plain)


def error_response(
    request: Request, error: BucketError | JobError | ProblemError | RequestValidationError
) -> Response:
    """Return the response for an error of a request."""
    if isinstance(error, BucketError):
        logger.error("a request failed: %s", error)
        return respond(request, STORAGE_UNAVAILABLE.problem(_NO_BUCKET), BUCKET_RETRY_AFTER)
    if isinstance(error, JobError):
        return _job_error(request, error)
    if isinstance(error, ProblemError):
        return respond(request, error.problem, error.headers)
    return respond(request, _invalid(request, error))


async def _handle(
    request: Request, error: BucketError | JobError | ProblemError | RequestValidationError
) -> Response:
    return error_response(request, error)


def _job_error(request: Request, error: JobError) -> Response:
    if isinstance(error, SpecRefusedError):
        return respond(request, refusal_problem(error))
    kind, detail = kind_of(error), escape_surrogates(str(error))
    if isinstance(error, QuotaExceededError):
        # Of the quotas, only the number of jobs becomes free while a client waits.
        waits = error.quota == "jobs_in_flight"
        problem = kind.problem(detail, hint=error.remedy, retryable=waits)
        return respond(request, problem, JOBS_RETRY_AFTER if waits else None)
    hint = None
    if isinstance(error, IllegalTransitionError):
        allowed = ", ".join(allowed_actions(error.current))
        hint = f"A job that is {error.current} allows: {allowed}."
    # With a 409 the client knows that the same request will fail again.
    headers = {"x-should-retry": "false"} if kind.status == 409 else None
    if isinstance(error, TooManyTrialsError):
        headers = TRIALS_RETRY_AFTER
    return respond(request, kind.problem(detail, hint=hint), headers)


def _invalid(request: Request, error: RequestValidationError) -> Problem:
    errors = error.errors()
    if is_malformed(errors):
        first = errors[0]
        return MALFORMED_JSON.problem(f"{first['ctx']['error']} at byte {first['loc'][1]}.")
    refused = [describe(details, request.scope["route"]) for details in errors[:MAX_FIELD_PROBLEMS]]
    detail = " ".join(described.problem.detail for described in refused)
    if (more := len(errors) - len(refused)) > 0:
        detail += f" And {more} more."
    hint = " ".join(dict.fromkeys(described.remedy for described in refused))
    return INVALID_REQUEST.problem(
        detail, hint=hint, errors=[described.problem for described in refused]
    )


def _plain(request: Request, error: HTTPException, routes: Sequence[APIRoute]) -> Response:
    if (reason := _unreadable(error.__cause__)) is not None:
        return respond(request, MALFORMED_JSON.problem(f"{reason}."))
    methods = _methods(request, routes) if error.status_code == 405 else []
    detail = _named(request, error, methods)
    kind = PLAIN.get(error.status_code) or ProblemKind(
        f"http_{error.status_code}", error.status_code, detail, None
    )
    headers = error.headers
    if methods:
        others = {name: value for name, value in (headers or {}).items() if name.lower() != "allow"}
        headers = others | {"allow": ", ".join(methods)}
    return respond(request, kind.problem(detail), headers)


def _named(request: Request, error: HTTPException, methods: Sequence[str]) -> str:
    """Return an error's detail; the path, or its method, in place of a mere phrase of HTTP."""
    if error.detail != HTTPStatus(error.status_code).phrase:
        return str(error.detail)
    path = quoted(request.url.path)
    if error.status_code == 404:
        return f"There is no path {path}."
    if methods:
        return f"{path} has no method {request.method}; it has {', '.join(methods)}."
    return str(error.detail)


def _unreadable(cause: BaseException | None) -> str | None:
    """Return why a body could not be parsed, if that is the cause of an error."""
    if isinstance(cause, UnicodeDecodeError):
        return f"The body is not {cause.encoding.upper()} from byte {cause.start} on"
    if isinstance(cause, RecursionError):
        return "The body has lists or objects within each other, more levels than any request"
    return None


def _methods(request: Request, routes: Sequence[APIRoute]) -> list[str]:
    """Return the methods of all routes that match the request's path, in alphabetical order."""
    same = (route for route in routes if route.path_regex.match(request.url.path))
    return sorted({method for route in same for method in route.methods or ()})
