"""``zpruner submit``."""

from typing import Annotated, Any

import typer

from zpruner.cli.field_options import JOB_FIELDS, with_fields
from zpruner.cli.options import JsonOption
from zpruner.cli.requests import REUSE, SUBMISSION, request_of
from zpruner.cli.screen import preview_text
from zpruner.cli.terminal import follow, people, say, service
from zpruner.client.client import Client
from zpruner.client.job import Job


@with_fields(*JOB_FIELDS, *SUBMISSION, REUSE)
def submit(
    fields: dict[str, Any],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only; submit nothing.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the job until it ends.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job and print its id."""
    request = request_of(fields)
    with service() as client:
        if dry_run:
            _preview(client, request, as_json)
            return
        job = create(client, request)
        if wait:
            people.print(job.id, markup=False)
            follow(client, job.id, None, as_json)
        say(job, as_json, lambda job: job.id)


def create(client: Client, request: dict[str, Any]) -> Job:
    """Submit a job, and print the service's warnings."""
    job = client.jobs.create(**request)
    for warning in job.warnings:
        people.print(f"warning: {warning}", markup=False)
    return job


def _preview(client: Client, request: dict[str, Any], as_json: bool) -> None:
    request.pop("idempotency_key", None)
    preview = client.jobs.preview(**request)
    say(preview, as_json, preview_text, [f"warning: {one}" for one in preview.warnings])
