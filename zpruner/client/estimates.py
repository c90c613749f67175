"""Asking what a job would take until the service has found it out."""

import time
from typing import Any

from zpruner.client.models.planning import Estimate
from zpruner.client.transport.transport import Transport

ESTIMATE_WITHIN_S = 90.0
HEADERS = {"Prefer": "wait=15"}  # shorter than a request may take


async def estimate(transport: Transport[Any], body: dict[str, Any], timeout_s: float) -> Estimate:
    """Return the answer.

    Raises:
        TimeoutError: there is none in time.
    """
    deadline = time.monotonic() + timeout_s
    response = await transport.send("POST", "/v1/estimates", json=body, headers=HEADERS)
    while response.status_code == 202:
        if time.monotonic() > deadline:
            raise TimeoutError(f"the service has found no estimate in {timeout_s:g} s")
        await transport.sleep(float(response.headers.get("retry-after", 1)))
        response = await transport.send("GET", response.headers["location"], headers=HEADERS)
    return Estimate.model_validate(response.json())
