"""The queries for lists of jobs, and for the number of jobs by status, method and verdict."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    String,
    cast,
    func,
    literal,
    select,
    tuple_,
    union_all,
)

from db.core.clock import UTCDateTime
from db.core.sort_key import MetricKey, SortKey, SortMetric
from db.core.states import JobState
from db.jobs.labels import label_conditions
from db.jobs.search import mentions, model_key
from db.spec.pruning.methods import MethodName
from db.spec.quality_gate import Verdict
from db.tables.jobs import Job
from db.tables.labels import JobLabel, Label
from db.tables.outputs import Output, OutputState
from db.tables.trials import TRIAL


@dataclass(frozen=True)
class JobFilter:
    """The conditions of a list of jobs; None or empty means no condition.

    Attributes:
        statuses: the job has one of these.
        labels: the job has all of these.
        created_by: the job was submitted with the API key that has this id.
        text: the job's name, model, labels or id contain this (see `mentions`); case is ignored.
        ids: the job has one of these; None means no condition.
        output: an output of the job is in this state.
        unmeasured: the job has no value for this metric.
        created_after: the job was created later than this.
        created_before: the job was created earlier than this.
    """

    statuses: tuple[JobState, ...] = ()
    method: MethodName | None = None
    model: str | None = None
    parent_id: str | None = None
    sweep_id: str | None = None
    verdict: Verdict | None = None
    created_by: str | None = None
    labels: tuple[Label, ...] = ()
    output: OutputState | None = None
    text: str | None = None
    ids: tuple[str, ...] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    unmeasured: SortMetric | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return all conditions except the one on the status."""
        conditions = self.common()
        if self.method is not None:
            conditions.append(Job.method == self.method.value)
        if self.verdict is not None:
            conditions.append(Job.verdict == self.verdict)
        return conditions

    def common(self) -> list[ColumnElement[bool]]:
        """Return all conditions except those on the status, the method and the verdict."""
        conditions = label_conditions(self.labels)
        if self.model is not None:
            conditions.append(Job.model_key == model_key(self.model))
        if self.parent_id is not None:
            conditions.append(Job.parent_id == self.parent_id)
        if self.sweep_id is not None:
            conditions.append(Job.sweep_id == self.sweep_id)
        if self.created_by is not None:
            # As an expression, so that an index in the list's order is scanned, not one by key.
            conditions.append(cast(Job.created_by, String) == self.created_by)
        if self.output is not None:
            sent = select(Output.job_id).where(Output.state == self.output)
            conditions.append(Job.id.in_(sent))
        if self.text:
            conditions.append(mentions(self.text))
        if self.ids is not None:
            conditions.append(Job.id.in_(self.ids))
        if self.unmeasured is not None:
            conditions.append(getattr(Job, self.unmeasured).is_(None))
        if self.created_after is not None:
            conditions.append(Job.created_at > self.created_after)
        if self.created_before is not None:
            conditions.append(Job.created_at < self.created_before)
        return conditions


ALL_JOBS = JobFilter()


@dataclass(frozen=True)
class Facets:
    """The numbers of jobs by status, by method and by verdict.

    The numbers by a field ignore the filter's condition on that field.
    """

    status: dict[JobState, int]
    method: dict[str, int]
    verdict: dict[Verdict, int]


def page_ids(
    wanted: JobFilter, limit: int, after: SortKey | None, oldest_first: bool
) -> Executable:
    """Return the query for the job ids of one page."""
    if wanted.labels:
        return _labelled_ids(wanted, limit, after, oldest_first)
    query = select(Job.id, Job.created_at).where(*wanted.conditions(), _IS_LISTED)
    if after is not None:
        query = query.where(_is_after(after, oldest_first))
    query = query.order_by(*_order(Job, oldest_first)).limit(limit)
    # One index scan for each status; a single query would have to sort all of their jobs.
    each = [query.where(Job.status == status) for status in wanted.statuses] or [query]
    if len(each) == 1:
        return each[0]
    merged = union_all(*[select(scan.subquery()) for scan in each]).subquery()
    ids = select(merged.c.id, merged.c.created_at)
    return ids.order_by(*_order(merged.c, oldest_first)).limit(limit)


def _labelled_ids(
    wanted: JobFilter, limit: int, after: SortKey | None, oldest_first: bool
) -> Executable:
    """Return the query for the job ids of one page of a list that is filtered by labels.

    The query scans the jobs with the filter's first label, in the order of the list, and applies
    all other conditions to them.
    """
    (name, value), *_ = wanted.labels
    query = select(Job.id).join_from(JobLabel, Job, JobLabel.job_id == Job.id)
    has_label = (JobLabel.name == name, JobLabel.value == value)
    query = query.where(*has_label, *wanted.conditions(), _IS_LISTED)
    if wanted.statuses:
        query = query.where(Job.status.in_(wanted.statuses))
    if after is not None:
        query = query.where(_is_after(after, oldest_first, JobLabel.created_at, JobLabel.job_id))
    last = (JobLabel.created_at, JobLabel.job_id)
    order = [column.asc() if oldest_first else column.desc() for column in last]
    return query.order_by(*order).limit(limit)


def measured_ids(
    wanted: JobFilter, metric: SortMetric, limit: int, after: MetricKey | None, descending: bool
) -> Executable:
    """Return the query for one page of job ids, sorted by a metric; jobs without it are omitted."""
    key = (getattr(Job, metric), Job.id)
    query = select(Job.id).where(key[0].is_not(None), *wanted.common(), _IS_LISTED)
    if wanted.method is not None:
        query = query.where(Job.method == wanted.method.value)
    # As expressions, so that SQLite does not read and sort all jobs of a status or a verdict.
    if wanted.statuses:
        query = query.where(cast(Job.status, String).in_(wanted.statuses))
    if wanted.verdict is not None:
        query = query.where(cast(Job.verdict, String) == wanted.verdict.value)
    if after is not None:
        position, each = tuple_(literal(after.value), literal(after.id)), tuple_(*key)
        query = query.where(each < position if descending else each > position)
    return query.order_by(*[part.desc() if descending else part.asc() for part in key]).limit(limit)


def facet_counts(wanted: JobFilter) -> Executable:
    """Return the query for the number of jobs of each combination of status, method and verdict."""
    conditions, kinds = wanted.common(), (Job.status, Job.method, Job.verdict)
    if not conditions:
        return select(*kinds, func.count()).group_by(*kinds)
    # Filtered before they are grouped; otherwise SQLite scans by group and reads every row.
    jobs = select(*kinds).where(*conditions).cte().prefix_with("MATERIALIZED")
    groups = (jobs.c.status, jobs.c.method, jobs.c.verdict)
    return select(*groups, func.count()).group_by(*groups)


_IS_LISTED = Job.method != TRIAL


def _order(columns: Any, oldest_first: bool) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    if oldest_first:
        return columns.created_at.asc(), columns.id.asc()
    return columns.created_at.desc(), columns.id.desc()


def _is_after(
    place: SortKey, oldest_first: bool, created_at: Any = Job.created_at, job_id: Any = Job.id
) -> ColumnElement[bool]:
    position = tuple_(literal(place.created_at, UTCDateTime()), literal(place.id))
    each = tuple_(created_at, job_id)
    return each > position if oldest_first else each < position
