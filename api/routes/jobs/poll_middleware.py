"""Middleware that responds to polls of a job from memory, without routing."""

import re

from starlette.datastructures import Headers
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.services.job_cache import JobCache, JobSnapshot
from api.web.conditional import names_version
from db.core.errors import JobNotFoundError
from db.core.ids import id_pattern

PATH = re.compile(rf"/v1/jobs/({id_pattern('job')})")
HANDLED_BY_ROUTE = ("if-match", "prefer")
"""Requests with one of these headers are left to the route."""


class JobPollMiddleware:
    """Responds to ``GET /v1/jobs/{id}`` as the route does, in a fraction of the time."""

    def __init__(self, app: ASGIApp, job_cache: JobCache, route: BaseRoute) -> None:
        self._app, self._job_cache, self._route = app, job_cache, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond from the job cache if possible, else call the application."""
        job_id = _polled_job(scope)
        if job_id is None:
            await self._app(scope, receive, send)
            return
        try:
            snapshot = await self._job_cache.current(job_id)
        except JobNotFoundError:
            await self._app(scope, receive, send)
            return
        if not snapshot.may_be_seen_by(scope["state"]["caller"]):
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route  # for the metrics
        await _respond(snapshot, Headers(scope=scope).get("if-none-match"), send)


def _polled_job(scope: Scope) -> str | None:
    """Return the id of the job if the request is one that this middleware responds to."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
        return None
    match = PATH.fullmatch(scope["path"].removeprefix(scope.get("root_path", "")))
    if match is None or any(name in Headers(scope=scope) for name in HANDLED_BY_ROUTE):
        return None
    return match[1]


async def _respond(snapshot: JobSnapshot, if_none_match: str | None, send: Send) -> None:
    status, body = 200, snapshot.body
    headers = [(b"etag", snapshot.etag.encode())]
    if if_none_match is not None and names_version(if_none_match, snapshot.etag):
        status, body = 304, b""
    else:
        headers += [
            (b"content-length", str(len(body)).encode()),
            (b"content-type", b"application/json"),
        ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
