"""The command ``zpruner repeat``."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from zpruner.cli.display import summary
from zpruner.cli.exit_codes import JOB_FAILED, job_exit_code
from zpruner.cli.options import JsonOption, TimeoutOption
from zpruner.cli.statements import comparison_table, print_differing, read_statement
from zpruner.cli.terminal import (
    connect,
    print_json,
    print_response,
    print_table,
    stderr,
    wait_for_end,
)
from zpruner.client.client import Client
from zpruner.client.job import Job
from zpruner.client.models.provenance import (
    FILE,
    FileComparison,
    Statement,
    changed_conditions,
    compare_runs,
)

JOB_ID = re.compile(r"job_[0-9a-f]{32}")
SAME = "all files are the same, except for those with measured times, which are not compared"


def repeat(
    source: Annotated[
        str,
        typer.Argument(help=f"The id of a job, a file such as {FILE}, or a folder with that file."),
    ],
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if the worker has other versions of packages.")
    ] = False,
    queue: Annotated[
        str | None,
        typer.Option(help="The queue; by default that of the job, or the service's own default."),
    ] = None,
    timeout: TimeoutOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a job again on the same inputs, and compare the files.

    The exit code is 1 if a file differs, or if an input is not the same any more.
    """
    with connect() as client:
        original, own_id = _original(client, source)
        changes = original.changes_to_repeat(with_versions=strict)
        changes["output"] = []  # the files are compared, not sent again
        if queue is not None:
            changes["queue"] = queue
        job = _submit(client, own_id, original.predicate.definition.spec.model_dump(), changes)
        stderr.print(job.id, markup=False)
        job = wait_for_end(client, job.id, timeout)
        if job.status != "succeeded":
            print_response(job, as_json, summary)
            raise typer.Exit(job_exit_code(job))
        repeated = client.jobs.provenance(job.id)
    files = compare_runs(original, repeated)
    _print(job, files, list(changed_conditions(original, repeated)), as_json)
    raise typer.Exit(JOB_FAILED if any(file.differs for file in files) else 0)


def _original(client: Client, source: str) -> tuple[Statement, str | None]:
    """Return a statement, and the id of its job if ``source`` is one."""
    if Path(source).exists():
        return read_statement(Path(source), "SOURCE"), None
    if JOB_ID.fullmatch(source):
        return client.jobs.provenance(source), source
    reason = f"{source} is neither a file, nor a folder, nor the id of a job"
    raise typer.BadParameter(reason, param_hint="SOURCE")


def _submit(
    client: Client, job_id: str | None, spec: dict[str, Any], changes: dict[str, Any]
) -> Job:
    """Submit the job again; a job of the service keeps its name, labels, queue and gate."""
    if job_id is not None:
        return client.jobs.rerun(job_id, **changes)
    return client.jobs.create(**spec | changes)


def _print(
    job: Job, files: Sequence[FileComparison], changed: Sequence[str], as_json: bool
) -> None:
    for condition in changed:
        stderr.print(f"warning: {condition}", markup=False)
    if as_json:
        compared = [file.model_dump(mode="json") for file in files]
        print_json({"job_id": job.id, "files": compared, "warnings": list(changed)})
    else:
        print_table(comparison_table(files))
        print_differing(files, SAME)
