"""Warnings of what was not checked when a job was submitted, which say that its worker will."""

from db.tables.jobs import Job

BY_WORKER = "The worker will check it."
BY_WORKER_AT_START = "The worker will check it before it starts."
BY_WORKER_BEFORE_PRUNING = "The worker will check them before it prunes."
BY_PLANNER = "It will check the model before a worker gets the job."


def present_warnings(job: Job) -> list[str]:
    """Return a job's warnings; once it has started, what its worker checks is no longer one."""
    if job.started_at is None:
        return job.warnings
    return [warning for warning in job.warnings if not warning.endswith(_CHECKED_LATER)]


_CHECKED_LATER = (BY_WORKER, BY_WORKER_AT_START, BY_WORKER_BEFORE_PRUNING, BY_PLANNER)
