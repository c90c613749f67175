"""Bodies that are no proper JSON: what is wrong with them, and where."""

import json
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import JsonValue

from api.core.problem_response import ProblemError
from db.core.escaping import quoted
from db.problems.requests import DUPLICATE_KEY


class _DuplicateKeyError(Exception):
    """An object of a body has a name twice."""


async def sent_json(request: Request) -> JsonValue:
    """Return a body as JSON; None if the route has none, or it is no JSON.

    A body in which an object has a name twice is refused; Python would use the last value.

    Raises:
        ProblemError: the body has such an object.
    """
    route: APIRoute = request.scope["route"]
    if route.body_field is None:
        return None
    try:
        body: JsonValue = json.loads(await request.body(), object_pairs_hook=_checked)
    except _DuplicateKeyError as twice:
        (name,) = twice.args
        detail = f"An object of the body has the name {quoted(name)} twice."
        raise ProblemError(DUPLICATE_KEY.problem(detail)) from None
    except (ValueError, RecursionError):
        return None  # FastAPI does not take it for JSON either, or it is empty
    return body


def _checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise _DuplicateKeyError(name)
        members[name] = value
    return members
