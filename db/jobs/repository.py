"""The repository that inserts, reads, lists and counts jobs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Executable, select
from sqlalchemy.orm import Session, load_only

from db.core.broker_names import GPU_QUEUE
from db.core.sort_key import MetricKey, SortKey, SortMetric
from db.core.states import JobState
from db.events.job_events import IDS_AT_ONCE
from db.events.job_rows import get_job, record_event
from db.files.datasets import DatasetRepository
from db.jobs.estimates import planned_memory
from db.jobs.labels import add_labels
from db.jobs.listing import (
    ALL_JOBS,
    Facets,
    JobFilter,
    facet_counts,
    measured_ids,
    page_ids,
)
from db.jobs.quotas import QuotaRepository
from db.jobs.result_models import ResultModelRepository
from db.jobs.search import mentioning, search_columns
from db.scheduling.fair_shares import register_key
from db.spec.prices import Price
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from db.tables.base import Document
from db.tables.jobs import Job
from db.tables.trials import TRIAL


@dataclass(frozen=True)
class NewJob:
    """A job before its row is inserted.

    Attributes:
        spec: what to prune, and how.
        parent_id: the id of the job that this one reruns.
        created_by: the id of the API key whose quotas the job counts against.
        price: the price of the queue's workers; None without one.
        max_cost: the cost above which the job stops.
        likely_cost: the cost that it likely stays below; None if not known.
        min_memory_bytes: the memory that its worker must have; None for any.
        traceparent: the W3C trace context of the request; the spans of all attempts link to it.
    """

    spec: PruneSpec
    name: str | None = None
    labels: Document = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    parent_id: str | None = None
    queue: str = GPU_QUEUE
    priority: int = 0
    not_before: datetime | None = None
    deadline: datetime | None = None
    gate: Gate | None = None
    created_by: str | None = None
    price: Price | None = None
    max_cost: float | None = None
    likely_cost: float | None = None
    min_memory_bytes: int | None = None
    traceparent: str | None = None

    @property
    def reserved_cost(self) -> float | None:
        """The cost that is reserved in the key's budget until the job has ended."""
        return self.max_cost if self.likely_cost is None else self.likely_cost


class JobRepository:
    """Inserts, reads, lists and counts jobs for clients; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, new: NewJob) -> Job:
        """Insert a queued job with its first event.

        The row is also the job's outbox entry: as long as it is not marked as pushed, the job's
        broker message has yet to be sent.

        Raises:
            QuotaExceededError: the key ``new.created_by`` has no quota or budget left for the job.
            SpecRefusedError: the specification names an uploaded dataset that does not exist, or
                the result or the search of a job that has none.
        """
        QuotaRepository(self._session).check_jobs(new.created_by, 1, new.reserved_cost or 0.0)
        return self.add_reserved(new)

    def add_reserved(self, new: NewJob, sweep: tuple[str, int] | None = None) -> Job:
        """Insert a job as `add` does, but do not check quotas: the caller has checked them.

        Args:
            sweep: the id of the job's sweep, and the index of the job's point in that sweep.
        """
        DatasetRepository(self._session).require(new.spec)
        results = ResultModelRepository(self._session)
        result = results.reserve(new.spec.model)
        search = results.reserve_search(new.spec)
        sweep_id, sweep_point = sweep or (None, None)
        columns = search_columns(
            new.spec, new.name, new.labels, None if result is None else result.digest
        )
        job = Job(
            spec=new.spec,
            name=new.name,
            labels=dict(new.labels),
            warnings=list(new.warnings),
            parent_id=new.parent_id,
            model_job_id=None if result is None else result.job_id,
            search_job_id=None if search is None else search.job_id,
            lineage=None if result is None else result.lineage,
            queue=new.queue,
            priority=new.priority,
            traceparent=new.traceparent,
            not_before=new.not_before,
            deadline=new.deadline,
            created_by=new.created_by,
            hourly_price=None if new.price is None else new.price.hourly,
            currency=None if new.price is None else new.price.currency,
            max_cost=new.max_cost,
            likely_cost=new.reserved_cost,
            min_memory_bytes=new.min_memory_bytes,
            planned_memory_bytes=planned_memory(self._session, columns["spec_digest"]),
            gate=_gate_document(new.gate),
            sweep_id=sweep_id,
            sweep_point=sweep_point,
            **columns,
        )
        self._session.add(job)
        self._session.flush()
        add_labels(self._session, job)
        register_key(self._session, new.created_by)
        record_event(self._session, job, "status")
        return job

    def get(self, job_id: str, *, locked: bool = False) -> Job:
        """Read the job's current row; with ``locked``, lock it until the transaction ends.

        Raises:
            JobNotFoundError: there is no such job.
        """
        return get_job(self._session, job_id, locked=locked)

    def versions(self, job_ids: Sequence[str]) -> list[Job]:
        """Return the jobs that exist, with only the columns that their entity tags depend on."""
        jobs: list[Job] = []
        for start in range(0, len(job_ids), IDS_AT_ONCE):
            some = Job.id.in_(job_ids[start : start + IDS_AT_ONCE])
            jobs += self._session.scalars(select(Job).where(some).options(_VERSION))
        return jobs

    def page(
        self,
        wanted: JobFilter = ALL_JOBS,
        *,
        limit: int = 50,
        after: SortKey | None = None,
        oldest_first: bool = False,
    ) -> list[Job]:
        """Return one page of up to ``limit`` jobs, newest first by default.

        ``after`` is the sort key of the last job of the previous page; None for the first page.
        """
        return self._rows(page_ids(self._narrowed(wanted), limit, after, oldest_first))

    def sorted_page(
        self,
        metric: SortMetric,
        wanted: JobFilter = ALL_JOBS,
        *,
        limit: int = 50,
        after: SortKey | MetricKey | None = None,
        descending: bool = False,
    ) -> list[Job]:
        """Return up to ``limit`` jobs: first those with a metric, sorted by it, then the others.

        Jobs without the metric are listed newest first. ``after`` is the sort key of the last job
        of the previous page: a `MetricKey` if that job has the metric, else a `SortKey`. It is None
        for the first page.
        """
        jobs, wanted = list[Job](), self._narrowed(wanted)
        if not isinstance(after, SortKey):
            jobs = self._rows(measured_ids(wanted, metric, limit, after, descending))
        if (left := limit - len(jobs)) > 0:
            last = after if isinstance(after, SortKey) else None
            jobs += self.page(replace(wanted, unmeasured=metric), limit=left, after=last)
        return jobs

    def _narrowed(self, wanted: JobFilter) -> JobFilter:
        """Name the jobs that a text finds, where these are few and an index knows them."""
        if wanted.text is None or wanted.ids is not None:
            return wanted
        ids = mentioning(self._session, wanted.text)
        return wanted if ids is None else replace(wanted, ids=tuple(ids))

    def _rows(self, ids_query: Executable) -> list[Job]:
        """Return the jobs whose ids a query returns, in the order of the query."""
        # Two statements: in one, SQLite may read the rows of all jobs to find those of the page.
        ids = list(self._session.scalars(ids_query))
        rows = self._session.scalars(select(Job).where(Job.id.in_(ids)))
        jobs = {job.id: job for job in rows}
        return [jobs[job_id] for job_id in ids if job_id in jobs]

    def facets(self, wanted: JobFilter = ALL_JOBS) -> Facets:
        """Count the jobs by status, by method and by verdict, as `Facets` describes."""
        facets, counts = Facets({}, {}, {}), facet_counts(self._narrowed(wanted))
        for status, method, verdict, count in self._session.execute(counts):
            if method == TRIAL:
                continue
            matches = {
                "status": not wanted.statuses or status in wanted.statuses,
                "method": wanted.method in {None, method},
                "verdict": wanted.verdict in {None, verdict},
            }
            for facet, value in (("status", status), ("method", method), ("verdict", verdict)):
                if all(is_met for other, is_met in matches.items() if other != facet):
                    counts = getattr(facets, facet)
                    counts[value] = counts.get(value, 0) + count
        return facets

    def identical(self, spec: PruneSpec, gate: Gate | None = None) -> list[Job]:
        """Return the succeeded jobs with exactly this specification and gate, newest first.

        Models that are results of jobs are the same if their files are.
        """
        model = ResultModelRepository(self._session).digest(spec.model)
        query = select(Job).where(
            Job.spec_digest == search_columns(spec, None, result_digest=model)["spec_digest"],
            Job.status == JobState.succeeded,
        )
        newest_first = query.order_by(Job.created_at.desc(), Job.id.desc())
        # Compared in Python: PostgreSQL's JSON type has no equality, and older gates lack fields.
        return [job for job in self._session.scalars(newest_first) if _gate_of(job) == gate]


def _gate_of(job: Job) -> Gate | None:
    return None if job.gate is None else Gate.model_validate(job.gate)


def _gate_document(gate: Gate | None) -> Document | None:
    return None if gate is None else gate.model_dump(mode="json")


_VERSION = load_only(
    *(Job.version, Job.status, Job.queue, Job.priority, Job.created_by, Job.created_at),
    Job.not_before,
    raiseload=True,
)
