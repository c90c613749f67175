"""The one place where a refusal becomes an answer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from api.problems.catalogue import INVALID, MALFORMED, PLAIN, PROBLEMS, Face
from api.problems.validation import described, is_malformed
from db.core.errors import IllegalTransitionError, JobError, QuotaExceededError, SpecRefusedError
from db.core.problem import FieldProblem, Problem
from db.core.text_limits import printable
from db.events.transitions import allowed_actions

JOBS_RETRY_AFTER = {"retry-after": "30"}
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
    for kind in (JobError, RefusalError, RequestValidationError):
        app.exception_handler(kind)(_answer)
    app.exception_handler(HTTPException)(_plain)


def answer_to(
    request: Request, error: JobError | RefusalError | RequestValidationError
) -> Response:
    """Return the problem document of an error that says what is wrong with a request."""
    if isinstance(error, JobError):
        return _job_error(request, error)
    if isinstance(error, RefusalError):
        return _refusal(request, error)
    return _invalid(request, error)


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


async def _answer(
    request: Request, error: JobError | RefusalError | RequestValidationError
) -> Response:
    return answer_to(request, error)


def _job_error(request: Request, error: JobError) -> Response:
    face = PROBLEMS[type(error)]
    # A 409 says that asking again in the same way is of no use.
    headers = {"x-should-retry": "false"} if face.status == 409 else None
    if isinstance(error, SpecRefusedError):
        detail = printable(str(error))
        own = Face(face.status, error.code, face.title, printable(error.remedy))
        field = FieldProblem(pointer=error.pointer, code=error.code, detail=detail)
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


def _refusal(request: Request, error: RefusalError) -> Response:
    errors = list(error.errors)
    return respond(request, error.face, error.detail, headers=error.headers, errors=errors)


def _invalid(request: Request, error: RequestValidationError) -> Response:
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


async def _plain(request: Request, error: HTTPException) -> Response:
    face = PLAIN.get(error.status_code) or Face(
        error.status_code, f"http_{error.status_code}", str(error.detail)
    )
    headers = error.headers
    if error.status_code == 405 and (methods := _methods(request)):
        others = {name: value for name, value in (headers or {}).items() if name.lower() != "allow"}
        headers = others | {"allow": ", ".join(sorted(methods))}
    return respond(request, face, str(error.detail), headers=headers)


def _methods(request: Request) -> set[str]:
    """Return what may be asked of a documented path: a route by itself knows its own method."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    same = (verbs for path, verbs in paths.items() if compile_path(path)[0].match(request.url.path))
    return {verb.upper() for verbs in same for verb in verbs}
