"""Waits for changes to a job by long polling with the job's ETag.

If the service responds immediately although nothing has changed, the next request is delayed.
"""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx

from zpruner.client.transport.errors import ServiceError
from zpruner.client.transport.outage import Outage
from zpruner.client.transport.transport import Transport

LONG_POLL_S = 20.0  # below the timeout of a request
PAUSES_S = (0.2, 2.0)


async def job_versions(
    transport: Transport[Any], job_id: str, within_s: float | None
) -> AsyncIterator[dict[str, Any]]:
    """Yield the job now and after each change, for at most ``within_s`` seconds.

    The same version may be yielded again. If ``within_s`` is None, there is no time limit.

    Raises:
        ProblemError: the service refused the request.
        ServiceError: the first request failed, or the service later did not respond for a minute.
    """
    path, etag, pause = f"/v1/jobs/{job_id}", "", PAUSES_S[0]
    deadline = None if within_s is None else time.monotonic() + within_s
    yield await transport.get(path)
    outage = Outage()
    while (left_s := _left(deadline)) > 0:
        sent = time.monotonic()
        headers = {"Prefer": f"wait={max(1, int(left_s))}"}
        headers |= {"If-None-Match": etag} if etag else {}
        try:
            response = await transport.send("GET", path, headers=headers)
        except ServiceError as error:
            outage.check(error)
            await transport.sleep_with_jitter(pause)
            continue
        outage.reset()
        if response.status_code == httpx.codes.NOT_MODIFIED:
            pause = min(pause * 1.5, PAUSES_S[1])
            if time.monotonic() - sent < pause:
                await transport.sleep_with_jitter(min(pause, _left(deadline)))
            continue
        etag, pause = response.headers.get("etag", ""), PAUSES_S[0]
        yield response.json()
        if not etag:
            await transport.sleep_with_jitter(pause)


def _left(deadline: float | None) -> float:
    """Return how many seconds the next request may wait."""
    if deadline is None:
        return LONG_POLL_S
    return min(LONG_POLL_S, deadline - time.monotonic())
