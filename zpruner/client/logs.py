"""The lines that a job's attempts logged, also as they come."""

from collections.abc import AsyncIterator
from typing import Any

from zpruner.client.models.jobs import FINAL, LogLine
from zpruner.client.transport.errors import ServiceError
from zpruner.client.transport.outage import Outage
from zpruner.client.transport.transport import Transport

LOOK_EVERY_S = 1.0


async def log_lines(
    transport: Transport[Any], job_id: str, params: dict[str, Any]
) -> AsyncIterator[LogLine]:
    """Yield the lines there are."""
    async for row in transport.pages(f"/v1/jobs/{job_id}/logs", params):
        yield LogLine.model_validate(row)


async def follow_log(
    transport: Transport[Any], job_id: str, params: dict[str, Any]
) -> AsyncIterator[LogLine]:
    """Yield the lines there are and those to come, until the job has ended.

    Raises:
        ProblemError: the service refused.
        ServiceError: it has not answered for a minute.
    """
    outage = Outage()
    while True:
        try:
            # Asked before the lines are read: those of a job that has ended are all there.
            is_over = (await transport.get(f"/v1/jobs/{job_id}"))["status"] in FINAL
            async for line in log_lines(transport, job_id, params):
                params = {name: value for name, value in params.items() if name != "tail"}
                params["after"] = line.id
                yield line
            if is_over:
                return
            outage.heard()
        except ServiceError as error:
            outage.endure(error)
        await transport.sleep(LOOK_EVERY_S)
