"""The outputs of jobs as clients see them: reading, enqueueing, cancelling, sending again."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.core.errors import OutputNotFoundError, OutputStateError
from db.core.problem import Problem
from db.core.states import JobState
from db.events.job_rows import get_job, record_event
from db.outputs.rows import FINAL, change_output, entering, event_data, sent_files
from db.problems.resources import GATE_FAILED, NOT_SUCCEEDED
from db.spec.outputs.targets import Target
from db.spec.quality_gate import Verdict
from db.tables.artifacts import Artifact
from db.tables.base import Document
from db.tables.jobs import Job
from db.tables.outputs import Output, OutputState

CANCELLABLE = frozenset({OutputState.waiting, OutputState.running})
RETRYABLE = frozenset({OutputState.failed, OutputState.cancelled, OutputState.skipped})


class OutputRepository:
    """Reads, enqueues, cancels and retries outputs; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add_all(self, job: Job, artifacts: Sequence[Artifact]) -> None:
        """Insert the outputs of a job that has just succeeded; skip them if it failed its gate."""
        is_skipped = job.verdict is Verdict.failed
        state = OutputState.skipped if is_skipped else OutputState.waiting
        error = _gate_problem(job).model_dump(mode="json") if is_skipped else None
        for index, target in enumerate(job.spec.output):
            files = sent_files(target, artifacts)
            output = Output(
                job_id=job.id,
                index=index,
                target=target.model_dump(mode="json", exclude_none=True),
                bytes_total=sum(file.size_bytes for file in files),
                files_total=len(files),
                error=error,
                **entering(state),
            )
            self._session.add(output)
            self._session.flush()
            if is_skipped:
                record_event(self._session, job, f"output_{state}", event_data(output))

    def of_job(self, job_id: str) -> list[Output]:
        """Return the job's outputs, in the order of its specification."""
        query = select(Output).where(Output.job_id == job_id).order_by(Output.index)
        return list(self._session.scalars(query.execution_options(populate_existing=True)))

    def shown(self, job: Job) -> list[Output]:
        """Return the job's outputs; if the job has ended without success, what became of them.

        Such a job has no rows, so these outputs are not part of the session.
        """
        if not job.spec.output:
            return []
        if not job.status.is_final or job.status is JobState.succeeded:
            return self.of_job(job.id)
        error = _no_result(job).model_dump(mode="json")
        return [_skipped(job, index, target, error) for index, target in enumerate(job.spec.output)]

    def get(self, job_id: str, index: int) -> Output:
        """Return one output.

        Raises:
            JobNotFoundError: there is no such job.
            OutputNotFoundError: the job has no such output.
        """
        get_job(self._session, job_id)
        output = self._session.get(Output, (job_id, index), populate_existing=True)
        if output is None:
            raise OutputNotFoundError(job_id, index)
        return output

    def cancel(self, job_id: str, index: int) -> Output:
        """Cancel an output that is not finished; its process stops when it next renews its lease.

        Raises:
            JobNotFoundError, OutputNotFoundError: there is no such job or output.
            OutputStateError: the output is finished.
        """
        return self._change(job_id, index, CANCELLABLE, OutputState.cancelled, "be cancelled")

    def retry(self, job_id: str, index: int) -> Output:
        """Send an output that failed, was cancelled or was skipped; count failures from 0 again.

        Raises:
            JobNotFoundError, OutputNotFoundError: there is no such job or output.
            OutputStateError: the output waits, is being sent, or has succeeded.
        """
        return self._change(job_id, index, RETRYABLE, OutputState.waiting, "be sent again")

    def _change(
        self, job_id: str, index: int, before: frozenset[OutputState], to: OutputState, action: str
    ) -> Output:
        current = self.get(job_id, index).state
        values = entering(to)
        if to not in FINAL:
            values |= {"failures": 0, "error": None}
        changed = change_output(
            self._session, job_id, index, Output.state.in_(before), values=values
        )
        if changed is None:
            raise OutputStateError(job_id, index, current, action)
        return changed


def _skipped(job: Job, index: int, target: Target, error: Document) -> Output:
    return Output(
        job_id=job.id,
        index=index,
        target=target.model_dump(mode="json", exclude_none=True),
        state=OutputState.skipped,
        bytes_sent=0,
        bytes_total=0,
        files_sent=0,
        files_total=0,
        attempts=0,
        error=error,
        finished_at=job.finished_at,
    )


def _no_result(job: Job) -> Problem:
    return NOT_SUCCEEDED.problem(
        f"Job {job.id} is {job.status}, so there was no result to send.",
        hint="If the job succeeds after a POST to its /retry, its result is sent.",
    )


def _gate_problem(job: Job) -> Problem:
    return GATE_FAILED.problem(
        f"Job {job.id} failed its gate, so its result was not sent.",
        hint="POST to the output's /retry sends it nonetheless.",
    )
