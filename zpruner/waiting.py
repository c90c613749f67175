"""A job as it changes: long polls by ETag, with pauses where a service answers them at once."""

import random
import time
from collections.abc import Iterator

import httpx

from zpruner.models import Job
from zpruner.outage import Outage
from zpruner.transport import ServiceError, Transport

LONG_POLL_S = 20.0  # shorter than a request may take
PAUSES_S = (0.2, 2.0)


def versions(transport: Transport, job_id: str, within_s: float | None) -> Iterator[Job]:
    """Yield the job now and whenever it has changed; end when the time is over.

    Raises:
        ProblemError: the service refused.
        ServiceError: it has not answered for a minute.
    """
    path, etag, pause = f"/v1/jobs/{job_id}", "", PAUSES_S[0]
    deadline = None if within_s is None else time.monotonic() + within_s
    yield Job.model_validate(transport.get(path))
    outage = Outage()
    while (left_s := _left(deadline)) > 0:
        asked = time.monotonic()
        headers = {"Prefer": f"wait={max(1, int(left_s))}"}
        headers |= {"If-None-Match": etag} if etag else {}
        try:
            response = transport.send("GET", path, headers=headers)
        except ServiceError as error:
            outage.endure(error)
            _rest(pause)
            continue
        outage.heard()
        if response.status_code == httpx.codes.NOT_MODIFIED:
            pause = min(pause * 1.5, PAUSES_S[1])
            if time.monotonic() - asked < pause:
                _rest(min(pause, _left(deadline)))
            continue
        etag, pause = response.headers.get("etag", ""), PAUSES_S[0]
        yield Job.model_validate(response.json())
        if not etag:
            _rest(pause)


def _left(deadline: float | None) -> float:
    """Return how long one request may wait."""
    if deadline is None:
        return LONG_POLL_S
    return min(LONG_POLL_S, deadline - time.monotonic())


def _rest(pause_s: float) -> None:
    time.sleep(max(0.0, pause_s) * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
