"""The log of a job, read once or followed until the job has ended."""

from collections.abc import AsyncIterator
from typing import Any

from zpruner.client.models.jobs import FINAL, LogLine
from zpruner.client.transport.errors import ServiceError
from zpruner.client.transport.outage import Outage
from zpruner.client.transport.transport import Transport

POLL_EVERY_S = 1.0


async def log_lines(
    transport: Transport[Any], job_id: str, params: dict[str, Any]
) -> AsyncIterator[LogLine]:
    """Yield the lines logged so far."""
    async for row in transport.pages(f"/v1/jobs/{job_id}/logs", params):
        yield LogLine.model_validate(row)


async def follow_log(
    transport: Transport[Any], job_id: str, params: dict[str, Any]
) -> AsyncIterator[LogLine]:
    """Yield the lines logged so far, then new ones until the job has ended.

    Raises:
        ProblemError: the service refused the request.
        ServiceError: the service has not responded for a minute.
    """
    outage = Outage()
    while True:
        try:
            # Read the status before the lines: once a job has ended, its log is complete.
            is_final = (await transport.get(f"/v1/jobs/{job_id}"))["status"] in FINAL
            async for line in log_lines(transport, job_id, params):
                params = _without_tail(params) | {"after": line.id}
                yield line
            params = _without_tail(params)
            if is_final:
                return
            outage.reset()
        except ServiceError as error:
            outage.check(error)
        await transport.sleep(POLL_EVERY_S)


def _without_tail(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name != "tail"}
