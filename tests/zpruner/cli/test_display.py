"""The text about a job that the command line prints while it follows the job."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from zpruner.cli.display import progress_display
from zpruner.client.models.jobs import JobFields

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("is_terminal", [False, True])
def test_warnings_that_a_job_gets_while_it_is_followed_are_printed_once(is_terminal: bool) -> None:
    console = Console(file=StringIO(), force_terminal=is_terminal, width=200)
    with progress_display(console) as show:
        for warnings in (["of the submission"], ["of the submission", "busy: 1"], ["busy: 2"]) * 2:
            show(JobFields(id="job_1", status="running", created_at=BEGUN, warnings=warnings))
    assert isinstance(console.file, StringIO)
    printed = console.file.getvalue()
    assert "of the submission" not in printed
    assert [printed.count(f"warning: busy: {n}") for n in (1, 2)] == [1, 1]
