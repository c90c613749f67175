"""Exit codes of the commands."""

from zpruner.client.models.jobs import JobFields, Problem
from zpruner.client.models.planning import Sweep

OK, JOB_FAILED, USAGE, GATE_FAILED, CANCELLED, EXPIRED = 0, 1, 2, 3, 4, 5
AUTH, NOT_FOUND, SERVICE, TIMED_OUT, INTERRUPTED = 6, 7, 8, 124, 130
JOB_EXIT_CODES = {"succeeded": OK, "failed": JOB_FAILED, "cancelled": CANCELLED, "expired": EXPIRED}
PROBLEM_EXIT_CODES = {
    400: USAGE,
    401: AUTH,
    403: AUTH,
    404: NOT_FOUND,
    409: USAGE,
    410: NOT_FOUND,
    412: USAGE,
    413: USAGE,
    415: USAGE,
    422: USAGE,
    424: JOB_FAILED,
    429: USAGE,
}
"""Exit codes by the HTTP status of a problem."""
CODE_EXIT_CODES = {"gate_failed": GATE_FAILED, "rate_limited": SERVICE}
"""Exit codes by the code of a problem, which come before those by its status."""


def job_exit_code(job: JobFields) -> int:
    """Return the exit code for the outcome of a job."""
    if job.verdict == "fail":
        return GATE_FAILED
    return JOB_EXIT_CODES.get(job.status, SERVICE)


def sweep_exit_code(sweep: Sweep) -> int:
    """Return the exit code of the worst outcome among a sweep's jobs.

    A sweep with a gate asks for points that pass: if there is one, others may have failed the gate.
    """
    statuses = {point.status for point in sweep.points}
    verdicts = {point.verdict for point in sweep.points}
    worst = [
        (JOB_FAILED, "failed" in statuses),
        (EXPIRED, "expired" in statuses),
        (CANCELLED, "cancelled" in statuses),
        (GATE_FAILED, "fail" in verdicts and "pass" not in verdicts),
    ]
    return next((code for code, happened in worst if happened), OK)


def problem_exit_code(problem: Problem) -> int:
    """Return the exit code for a problem with which the service has responded."""
    by_status = PROBLEM_EXIT_CODES.get(problem.status, SERVICE)
    return CODE_EXIT_CODES.get(problem.code, by_status)
