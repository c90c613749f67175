"""The exit codes of problems are those of the table in docs/jobs.md."""

import pytest

from zpruner.cli.exit_codes import problem_exit_code
from zpruner.client.models.jobs import Problem


@pytest.mark.parametrize(
    ("status", "problem", "code"),
    [
        (401, "unauthenticated", 6),
        (404, "job_not_found", 7),
        (410, "artifact_deleted", 7),
        (412, "stale_version", 2),
        (422, "invalid_request", 2),
        (424, "not_succeeded", 1),
        (424, "gate_failed", 3),
        (429, "quota_exceeded", 2),
        (429, "budget_exceeded", 2),
        (429, "too_many_trials", 2),
        (429, "rate_limited", 8),
        (503, "unfinished", 8),
    ],
)
def test_a_problem_has_the_exit_code_of_its_code_or_its_status(
    status: int, problem: str, code: int
) -> None:
    assert problem_exit_code(Problem(status=status, code=problem)) == code
