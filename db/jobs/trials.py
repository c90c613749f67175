"""Trials: prompts that both models of a finished job continue, answered by jobs of their own.

A job that answers has all that other jobs have: queue, lease, retries, events, log and quotas. The
column ``method`` of its row says that it does not prune, and lists leave it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from db.core.errors import NoTrialsError, TooManyTrialsError
from db.core.states import FINAL
from db.events.job_events import IDS_AT_ONCE
from db.jobs.held_time import keep_times
from db.jobs.quotas import QuotaRepository
from db.jobs.repository import JobRepository, NewJob
from db.spec.prices import Price
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName
from db.spec.trials import TrialRequest
from db.tables.jobs import Job
from db.tables.trials import TRIAL, Trial

PRIORITY = 11
"""Above that of every other job: somebody waits for the answer, which takes seconds to minutes."""
_OF_THE_TRIED_JOB = ("model", "revision", "model_secret", "dtype")


@dataclass(frozen=True)
class TriedBy:
    """The owner of a trial: the API key that submitted the job that the trial tries.

    Attributes:
        key_id: the key's id; None for a job that was submitted without a key.
    """

    key_id: str | None


class TrialRepository:
    """Inserts and reads trials; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(
        self,
        tried: Job,
        request: TrialRequest,
        most: int,
        *,
        created_by: str | None = None,
        price: Price | None = None,
        traceparent: str | None = None,
    ) -> tuple[Trial, Job]:
        """Insert a trial of a finished job, and the queued job that will answer it.

        Args:
            tried: the finished job.
            request: the prompt, and how it is continued.
            most: how many trials of one key may be unfinished at a time.
            created_by: the id of the API key whose quotas the trial counts against.
            price: the price of the queue's workers.
            traceparent: the W3C trace context of the request.

        Raises:
            QuotaExceededError: the key has no quota left for one more job.
            NoTrialsError: ``most`` is 0.
            TooManyTrialsError: the key has ``most`` unfinished trials.
        """
        if most == 0:
            raise NoTrialsError
        QuotaRepository(self._session).check_jobs(created_by)  # locks the key's row
        if self._unfinished(created_by) >= most:
            raise TooManyTrialsError(most)
        new = NewJob(
            trial_spec(tried.spec),
            queue=tried.queue,
            priority=PRIORITY,
            created_by=created_by,
            price=price,
            traceparent=traceparent,
        )
        job = JobRepository(self._session).add_reserved(new)
        # Without the digest and the text, the job is neither reused nor found by a search.
        job.method, job.spec_digest, job.search = TRIAL, "", ""
        trial = Trial(job_id=job.id, tried_id=tried.id, **request.model_dump())
        self._session.add(trial)
        self._session.flush()
        return trial, job

    def page(self, tried_id: str, *, limit: int, after: str | None) -> list[tuple[Trial, Job]]:
        """Return up to ``limit`` trials of a job with the jobs that answer them, newest first.

        ``after`` is the id of the last trial of the previous page; None for the first page.
        """
        query = select(Trial, Job).join(Job, Job.id == Trial.job_id)
        query = query.where(Trial.tried_id == tried_id)
        if after is not None:
            query = query.where(Trial.job_id < after)
        rows = self._session.execute(query.order_by(Trial.job_id.desc()).limit(limit))
        return [(trial, job) for trial, job in rows]

    def get(self, job_id: str) -> Trial | None:
        """Return the trial that a job answers; None if it answers none."""
        return self._session.get(Trial, job_id)

    def tried_by(self, job: Job) -> TriedBy | None:
        """Return whose trial a job answers; None if it answers none."""
        if job.method != TRIAL:
            return None
        return self.owners([job.id]).get(job.id, TriedBy(job.created_by))

    def owners(self, job_ids: Sequence[str]) -> dict[str, TriedBy]:
        """Return whose trials jobs answer, by their ids; jobs that answer none are left out."""
        owners: dict[str, TriedBy] = {}
        for start in range(0, len(job_ids), IDS_AT_ONCE):
            query = select(Trial.job_id, Job.created_by).join(Job, Trial.tried_id == Job.id)
            some = query.where(Trial.job_id.in_(job_ids[start : start + IDS_AT_ONCE]))
            owners |= {job_id: TriedBy(key_id) for job_id, key_id in self._session.execute(some)}
        return owners

    def _unfinished(self, created_by: str | None) -> int:
        waiting = (Job.method == TRIAL, Job.status.not_in(FINAL), Job.created_by == created_by)
        return self._session.scalar(select(func.count()).select_from(Job).where(*waiting)) or 0


def trial_spec(tried: PruneSpec) -> PruneSpec:
    """Return the specification of the job that answers a trial: its model, without pruning.

    A worker of an earlier release, which knows no trials, measures one window with it.
    """
    fields = {name: getattr(tried, name) for name in _OF_THE_TRIED_JOB}
    small = {"dataset": "stdlib-docs", "samples": 1, "eval_samples": 1}
    return PruneSpec.model_validate(fields | small | {"method": MethodName.none})


def delete_trials(session: Session, tried_id: str) -> None:
    """Delete the trials of a job with the jobs that answer them; a running one then stops."""
    answering = select(Trial.job_id).where(Trial.tried_id == tried_id)
    keep_times(session, Job.id.in_(answering))
    session.execute(
        delete(Job).where(Job.id.in_(answering)).execution_options(synchronize_session=False)
    )
