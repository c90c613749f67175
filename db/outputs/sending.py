"""The claims of due outputs, and the writes of the attempts that send them."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, Table, bindparam, case, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from db.core.clock import now, was_set_back
from db.core.problem import Problem
from db.core.retry_schedule import RandomSource, RetrySchedule
from db.events.transitions import LEASE
from db.outputs.rows import PROGRESS_EVENT, change_output, entering, sent_files
from db.problems.outputs import INTERRUPTED
from db.spec.outputs.targets import Target, parse_target
from db.tables.artifacts import Artifact
from db.tables.base import Document
from db.tables.jobs import Job
from db.tables.outputs import Output, OutputState

RETRIES = RetrySchedule(
    (
        timedelta(seconds=10),
        timedelta(minutes=1),
        timedelta(minutes=5),
        timedelta(minutes=15),
        timedelta(hours=1),
        timedelta(hours=3),
        timedelta(hours=6),
    )
)


class OutputLostError(Exception):
    """Another process sends the output, or the output was cancelled or deleted."""


@dataclass(frozen=True)
class Sent:
    """How much of a result the target has."""

    bytes: int
    files: int


@dataclass(frozen=True)
class ClaimedOutput:
    """An output to send now.

    Attributes:
        artifacts: the files to send.
        attempt: the number of the attempt, from 1. A write succeeds only while no later attempt has
            started.
        created_by: the API key that the job counts against, whose secret is used.
    """

    job_id: str
    index: int
    attempt: int
    failures: int
    target: Target
    created_by: str | None
    name: str | None
    finished_at: datetime
    spec: Document = field(repr=False)
    result: Document = field(repr=False)
    artifacts: tuple[Artifact, ...] = field(repr=False)


class SendingRepository:
    """Claims outputs and records what becomes of the attempts; never commits.

    The methods that take a claimed output raise `OutputLostError` if the attempt does not hold it
    any more. Roll the transaction back then.
    """

    def __init__(self, session: Session, *, lease: timedelta = LEASE) -> None:
        self._session, self._lease = session, lease

    def is_due(self) -> bool:
        """Return whether any output is due; cheap enough to call often."""
        return self._session.connection().execute(_due()).first() is not None

    def claim(self) -> ClaimedOutput | None:
        """Start an attempt at the output that is due the longest, and return it.

        An output whose attempts were lost too often fails instead; return None in this case, or if
        no output is due.

        Raises:
            OutputLostError: another process was faster.
        """
        row = self._session.execute(_longest_due()).first()
        if row is None:
            return None
        job_id, index, state, failures = row
        due, is_lost = _is_due(), state is OutputState.running
        if is_lost and failures + 1 >= RETRIES.attempts:
            problem = INTERRUPTED.problem(f"Output {index} of job {job_id} was lost too often.")
            values = entering(OutputState.failed) | {"error": problem.model_dump(mode="json")}
            change_output(self._session, job_id, index, due, values=values)
            return None
        lost = case((Output.state == OutputState.running, 1), else_=0)
        values = entering(OutputState.running) | {
            "attempts": Output.attempts + 1,
            "failures": Output.failures + lost,
            "lease_until": now(self._lease),
            "bytes_sent": 0,
            "files_sent": 0,
        }
        claimed = change_output(self._session, job_id, index, due, values=values)
        if claimed is None:
            raise OutputLostError
        return self._read(claimed)

    def renew(self, held: ClaimedOutput, sent: Sent) -> None:
        """Renew the lease, and store the progress."""
        values = {"job": held.job_id, "place": held.index, "attempt": held.attempt}
        values |= {"bytes": sent.bytes, "files": sent.files}
        if self._session.connection().scalar(_renew(self._lease), values) is None:
            raise OutputLostError

    def report(self, held: ClaimedOutput, sent: Sent) -> None:
        """Renew the lease, and store the progress also as an event."""
        self._change(held, self._renewal(sent), PROGRESS_EVENT)

    def succeed(self, held: ClaimedOutput, url: str) -> None:
        """Record that the target has the result, at an address."""
        values = entering(OutputState.succeeded) | {"url": url, "error": None}
        values |= {"bytes_sent": Output.bytes_total, "files_sent": Output.files_total}
        self._change(held, values)

    def fail(self, held: ClaimedOutput, problem: Problem) -> None:
        """Record a failure after which there is no further attempt."""
        self._change(held, entering(OutputState.failed) | _failed(held, problem))

    def postpone(
        self,
        held: ClaimedOutput,
        problem: Problem,
        wanted: timedelta | None = None,
        random_source: RandomSource = random.random,
    ) -> None:
        """Record a failure, to be retried after a delay; without attempts left, fail the output.

        ``wanted`` is the delay that the target asked for.
        """
        delay = RETRIES.delay(held.failures + 1, random_source, wanted)
        if delay is None:
            self.fail(held, problem)
            return
        due = {"next_attempt_at": now(delay)}
        self._change(held, entering(OutputState.waiting) | due | _failed(held, problem))

    def release(self, held: ClaimedOutput) -> None:
        """Return the output unfinished, to be sent by another process at once."""
        self._change(held, entering(OutputState.waiting))

    def _renewal(self, sent: Sent) -> dict[str, Any]:
        return _renewed(self._lease) | {"bytes_sent": sent.bytes, "files_sent": sent.files}

    def _change(self, held: ClaimedOutput, values: dict[str, Any], kind: str | None = None) -> None:
        where = _is_held(held)
        changed = change_output(
            self._session, held.job_id, held.index, *where, values=values, kind=kind
        )
        if changed is None:
            raise OutputLostError

    def _read(self, output: Output) -> ClaimedOutput:
        job = self._session.get_one(Job, output.job_id)
        files = select(Artifact).where(Artifact.job_id == job.id).order_by(Artifact.name)
        target = parse_target(output.target)
        return ClaimedOutput(
            job_id=job.id,
            index=output.index,
            attempt=output.attempts,
            failures=output.failures,
            target=target,
            created_by=job.created_by,
            name=job.name,
            finished_at=job.finished_at or job.updated_at,
            spec=job.spec.model_dump(mode="json"),
            result=job.result or {},
            artifacts=tuple(sent_files(target, self._session.scalars(files))),
        )


_OUTPUTS = cast("Table", Output.__table__)


def _failed(held: ClaimedOutput, problem: Problem) -> dict[str, Any]:
    return {"failures": held.failures + 1, "error": problem.model_dump(mode="json")}


def _is_held(held: ClaimedOutput) -> tuple[ColumnElement[bool], ...]:
    return Output.state == OutputState.running, Output.attempts == held.attempt


@lru_cache
def _due() -> Select[str]:
    return select(Output.job_id).where(_is_due()).limit(1)


@lru_cache
def _longest_due() -> Select[str, int, OutputState, int]:
    due = select(Output.job_id, Output.index, Output.state, Output.failures).where(_is_due())
    return due.order_by(Output.noted_at).limit(1)


@lru_cache(maxsize=64)
def _renew(lease: timedelta) -> ReturningUpdate[int]:
    this = (_OUTPUTS.c.job_id == bindparam("job"), _OUTPUTS.c.index == bindparam("place"))
    held = (_OUTPUTS.c.state == OutputState.running, _OUTPUTS.c.attempts == bindparam("attempt"))
    renewed = update(_OUTPUTS).where(*this, *held).values(_renewed(lease))
    renewed = renewed.values(bytes_sent=bindparam("bytes"), files_sent=bindparam("files"))
    return renewed.returning(_OUTPUTS.c.index)


def _renewed(lease: timedelta) -> dict[str, Any]:
    return {"lease_until": now(lease), "noted_at": now()}


@lru_cache
def _is_due() -> ColumnElement[bool]:
    """Return SQL for whether an output waits and its delay is over, or its process was lost."""
    set_back = was_set_back(Output.noted_at)
    waits = (Output.state == OutputState.waiting) & ((Output.next_attempt_at <= now()) | set_back)
    lost = (Output.state == OutputState.running) & ((Output.lease_until < now()) | set_back)
    return waits | lost
