"""The lines that a job's attempts logged, also as they come."""

import time
from collections.abc import Iterator
from typing import Any

from zpruner.models import FINAL, LogLine
from zpruner.outage import Outage
from zpruner.transport import ServiceError, Transport

LOOK_EVERY_S = 1.0


def log_lines(transport: Transport, job_id: str, params: dict[str, Any]) -> Iterator[LogLine]:
    """Yield the lines there are."""
    for row in transport.pages(f"/v1/jobs/{job_id}/logs", params):
        yield LogLine.model_validate(row)


def follow_log(transport: Transport, job_id: str, params: dict[str, Any]) -> Iterator[LogLine]:
    """Yield the lines there are and those to come, until the job has ended.

    Raises:
        ProblemError: the service refused.
        ServiceError: it has not answered for a minute.
    """
    outage = Outage()
    while True:
        try:
            # Asked before the lines are read: those of a job that has ended are all there.
            is_over = transport.get(f"/v1/jobs/{job_id}")["status"] in FINAL
            for line in log_lines(transport, job_id, params):
                params = {name: value for name, value in params.items() if name != "tail"}
                params["after"] = line.id
                yield line
            if is_over:
                return
            outage.heard()
        except ServiceError as error:
            outage.endure(error)
        time.sleep(LOOK_EVERY_S)
