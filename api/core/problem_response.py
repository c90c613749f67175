"""Responses with a problem document, and the error that leads to one."""

import json
from collections.abc import Mapping

from fastapi import Request
from starlette.responses import Response

from db.core.escaping import escape_surrogates
from db.core.problem import Problem

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """An error of the HTTP layer, with the problem document and the headers of its response."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem, headers)
        self.problem, self.headers = problem, headers


def respond(
    request: Request, problem: Problem, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a problem as the response to a request."""
    place = {
        "instance": escape_surrogates(request.url.path),
        "request_id": request.state.request_id,
    }
    document = problem.model_copy(update=place).model_dump(exclude_none=True)
    return Response(json.dumps(document), problem.status, headers, media_type=MEDIA_TYPE)
