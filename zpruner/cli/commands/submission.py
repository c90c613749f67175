"""The command ``zpruner submit``."""

from typing import Annotated, Any

import typer

from zpruner.cli.display import preview_text
from zpruner.cli.field_options import JOB_FIELDS, with_fields
from zpruner.cli.options import JsonOption
from zpruner.cli.requests import REUSE, SUBMISSION, request_of
from zpruner.cli.terminal import connect, follow, print_response, stderr
from zpruner.client.client import Client
from zpruner.client.job import Job
from zpruner.client.models.jobs import Preview
from zpruner.client.models.planning import Estimate


@with_fields(*JOB_FIELDS, *SUBMISSION, REUSE)
def submit(
    fields: dict[str, Any],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only; submit nothing.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the job until it ends.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job and print its id."""
    request = request_of(fields)
    with connect() as client:
        if dry_run:
            _preview(client, request, as_json)
            return
        job = create(client, request)
        if wait:
            stderr.print(job.id, markup=False)
            follow(client, job.id, None, as_json)
        print_response(job, as_json, lambda job: job.id)


def create(client: Client, request: dict[str, Any]) -> Job:
    """Submit a job, and print the service's warnings and advice."""
    job = client.jobs.create(**request)
    print_notes(job)
    return job


def print_notes(job: Job) -> None:
    """Print what the service warns of, and its advice."""
    for note in notes_of(job):
        stderr.print(note, markup=False)


def notes_of(found: Job | Preview | Estimate) -> list[str]:
    """Return lines with the warnings and the advice about a job."""
    warnings = [f"warning: {warning}" for warning in found.warnings]
    return warnings + [f"advice: {advice}" for advice in found.advice]


def _preview(client: Client, request: dict[str, Any], as_json: bool) -> None:
    request.pop("idempotency_key", None)
    preview = client.jobs.preview(**request)
    print_response(preview, as_json, preview_text, notes_of(preview))
