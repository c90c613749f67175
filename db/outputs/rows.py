"""Functions that change an output together with its job's version and events; none commits.

Each locks the job's row first and the output's row second, as the deletion of a job does.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from db.core.clock import now
from db.events.job_rows import change_job, record_event
from db.spec.outputs.targets import MlflowOutput, Target, parse_target
from db.tables.artifacts import Artifact
from db.tables.base import Document
from db.tables.outputs import Output, OutputState

FINAL = frozenset(OutputState) - {OutputState.waiting, OutputState.running}
REPORT = "report.json"
PROGRESS_EVENT = "output_progress"


def is_output(job_id: str, index: int) -> ColumnElement[bool]:
    """Return SQL for whether a row is this output."""
    return (Output.job_id == job_id) & (Output.index == index)


def entering(state: OutputState) -> dict[str, Any]:
    """Return the columns to set when an output enters a state."""
    fields: dict[str, Any] = {"state": state, "noted_at": now(), "lease_until": None}
    return fields | {
        "next_attempt_at": now() if state is OutputState.waiting else None,
        "finished_at": now() if state in FINAL else None,
    }


def change_output(
    session: Session,
    job_id: str,
    index: int,
    *where: ColumnElement[bool],
    values: Mapping[str, Any],
    kind: str | None = None,
) -> Output | None:
    """Update an output if all conditions hold, and record an event; otherwise return None.

    ``kind`` is the kind of the event; by default it follows from the output's new state. If the
    result is None, roll the transaction back: the version of the job has been incremented.
    """
    job = change_job(session, job_id, values={})
    if job is None:
        return None
    output = session.scalar(
        update(Output)
        .where(is_output(job_id, index), *where)
        .values(**values)
        .returning(Output)
        .execution_options(populate_existing=True, synchronize_session=False)
    )
    if output is not None:
        record_event(session, job, kind or f"output_{output.state}", event_data(output))
    return output


def sent_files(target: Target, artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Return the files that are sent to a target: all, but to MLflow only the report."""
    is_sent = {REPORT}.__contains__ if isinstance(target, MlflowOutput) else lambda _: True
    return [artifact for artifact in artifacts if is_sent(artifact.name)]


def event_data(output: Output) -> Document:
    """Return the data of an event about an output."""
    due = output.next_attempt_at
    data: Document = {
        "output": output.index,
        "target": parse_target(output.target).address,
        "attempt": output.attempts,
        "bytes_sent": output.bytes_sent,
        "bytes_total": output.bytes_total,
        "files_sent": output.files_sent,
        "files_total": output.files_total,
        "url": output.url,
        "error": output.error,
        "next_attempt_at": None if due is None else due.isoformat(),
    }
    return {name: value for name, value in data.items() if value is not None}
