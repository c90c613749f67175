"""Commands about the stored files of finished jobs: storage use, retention and pins."""

from pathlib import Path
from typing import Annotated, Any

import typer

from zpruner.cli.options import JobArgument, JsonOption
from zpruner.cli.tables import size_text
from zpruner.cli.terminal import connect, print_response
from zpruner.cli.text_table import Table
from zpruner.cli.values import read_json
from zpruner.client.models.storage import Retention, StorageUse

app = typer.Typer()


@app.command()
def storage(as_json: JsonOption = False) -> None:
    """Show how much storage the files of finished jobs take, by model and by label."""
    with connect() as client:
        use = client.storage.use()
    print_response(use, as_json, _storage_table)


@app.command()
def retention(
    rules: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file with a list of rules to try; by default, the service's rules.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", help="The most jobs to list.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show whose files the retention rules would delete now, and why; delete nothing."""
    tried = None if rules is None else _rules_in(rules)
    with connect() as client:
        preview = client.storage.retention(rules=tried, limit=limit)
    print_response(preview, as_json, _retention_table, [_retention_note(preview)])


@app.command()
def pin(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Pin a job: no retention rule deletes its files."""
    with connect() as client:
        job = client.jobs.describe(job_id, pinned=True)
    print_response(job, as_json, lambda job: f"{job.id} is pinned")


@app.command()
def unpin(job_id: JobArgument, as_json: JsonOption = False) -> None:
    """Unpin a job: retention rules may delete its files again."""
    with connect() as client:
        job = client.jobs.describe(job_id, pinned=False)
    print_response(job, as_json, lambda job: f"{job.id} is not pinned")


def _rules_in(file: Path) -> list[dict[str, Any]]:
    """Return the rules in a file; the service checks each of them."""
    try:
        rules = read_json(file.read_text("utf-8"))
    except ValueError as error:
        why = f"{file} is not JSON: {error}"
        raise typer.BadParameter(why, param_hint="--rules") from None
    if not isinstance(rules, list):
        raise typer.BadParameter(f"{file} is not a JSON list", param_hint="--rules")
    return rules


def _storage_table(use: StorageUse) -> Table:
    table = Table("what", "name", "jobs", "size")
    table.add_row("files", str(use.artifacts), "", size_text(use.artifact_bytes))
    table.add_row("of pinned jobs", "", "", size_text(use.pinned_bytes))
    if use.free_bytes is not None:
        table.add_row("free", "", "", size_text(use.free_bytes))
    for what, uses in (("model", use.models), ("label", use.labels)):
        for share in uses:
            table.add_row(what, share.name, str(share.jobs), size_text(share.bytes))
    return table


def _retention_table(preview: Retention) -> Table:
    table = Table("job", "ended", "size", "rule", "reason")
    for deletion in preview.deletions:
        ended = f"{deletion.finished_at:%F %T}"
        table.add_row(
            deletion.job_id, ended, size_text(deletion.bytes), deletion.rule, deletion.reason
        )
    return table


def _retention_note(preview: Retention) -> str:
    if not preview.rules:
        return "there are no retention rules: files are kept until their job is deleted"
    return f"would delete the files of {preview.jobs:,} jobs, {size_text(preview.bytes)}"
