"""Requests for an estimate, repeated until it is ready."""

import time
from typing import Any

from zpruner.client.models.planning import Estimate
from zpruner.client.transport.transport import Transport

ESTIMATE_TIMEOUT_S = 90.0
HEADERS = {"Prefer": "wait=15"}  # below the timeout of a request


async def estimate(transport: Transport[Any], body: dict[str, Any], timeout_s: float) -> Estimate:
    """Request an estimate and wait until it is ready.

    Raises:
        TimeoutError: the estimate is not ready after ``timeout_s`` seconds.
    """
    deadline = time.monotonic() + timeout_s
    response = await transport.send("POST", "/v1/estimates", json=body, headers=HEADERS)
    while response.status_code == 202:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the estimate was not ready within {timeout_s:g} s")
        await transport.sleep(float(response.headers.get("retry-after", 1)))
        response = await transport.send("GET", response.headers["location"], headers=HEADERS)
    return Estimate.model_validate(response.json())
