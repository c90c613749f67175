"""The delays before a job is attempted again after a failure that may be transient."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_

from db.core.clock import CLOCK_TOLERANCE, now
from db.core.retry_schedule import RetrySchedule
from db.tables.jobs import Job

RETRIES = RetrySchedule(
    (
        timedelta(seconds=30),
        timedelta(minutes=2),
        timedelta(minutes=10),
        timedelta(minutes=30),
        timedelta(hours=1),
    ),
    jitter=0,
)
"""Once the job finishes another block or step, its next retry counts as the first again."""


def is_due(job: Any = Job) -> ColumnElement[bool]:
    """Return SQL for whether a job need not wait: no delay was asked for, or it is over.

    If the delay before a retry seems to last longer than the longest of `RETRIES`, the clock was
    set back after the delay was set; such a delay counts as over.
    """
    when = job.not_before
    was_set_back = when > now(RETRIES.longest + CLOCK_TOLERANCE)
    return or_(when.is_(None), when <= now(), (job.retries > 0) & was_set_back)
