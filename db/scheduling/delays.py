"""How long a job waits whose attempt failed for a reason that may pass."""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_

from db.core.clock import STEP, now
from db.tables.jobs import Job

DELAYS = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
)
"""Before each further attempt. They start anew once the job finishes a block."""


def is_due(job: Any = Job) -> ColumnElement[bool]:
    """Return SQL for whether a job has no moment to wait for, or that has come.

    One further away than the longest delay was set before the clock was set back.
    """
    when = job.not_before
    return or_(when.is_(None), when <= now(), when > now(DELAYS[-1] + STEP))
