"""Columns and indexes for lists sorted by metrics; labels are searched, verdicts counted."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

BATCH = 1000
TIME = sa.DateTime(timezone=True)
METRICS: dict[str, sa.types.TypeEngine[Any]] = {
    "perplexity": sa.Double(),
    "perplexity_ratio": sa.Double(),
    "seconds": sa.Double(),
    "size_bytes": sa.BigInteger(),
}
READ = ("id", "status", "name", "spec", "labels", "result")
JOBS = sa.table(
    "jobs",
    *map(sa.column, (*READ, *METRICS, "search")),
    sa.column("started_at", TIME),
    sa.column("finished_at", TIME),
)
ARTIFACTS = sa.table("artifacts", *map(sa.column, ("job_id", "size_bytes")))
OLD_FILTERS = ["method", "model_key", "search"]
FILTERS = ["verdict", "created_by", *OLD_FILTERS]


def upgrade() -> None:
    """Add the columns, fill them, and make the indexes again with all columns of filters."""
    for name, kind in METRICS.items():
        op.add_column("jobs", sa.Column(name, kind))
    _fill()
    _index_lists(FILTERS, ["status", "method", "verdict", "attempt", "crashes"])
    op.drop_index("ix_jobs_status_method", "jobs")
    for name in METRICS:
        measured = sa.text(f"{name} IS NOT NULL")
        columns = [name, "id", "created_at", "status", *FILTERS]
        op.create_index(
            f"ix_jobs_by_{name}",
            "jobs",
            columns,
            sqlite_where=measured,
            postgresql_where=measured,
        )


def downgrade() -> None:
    """Drop the columns and make the old indexes; labels stay in the searched text."""
    for name in METRICS:
        op.drop_index(f"ix_jobs_by_{name}", "jobs")
    _index_lists(OLD_FILTERS, ["status", "method", "attempt", "crashes"])
    op.create_index("ix_jobs_status_method", "jobs", ["status", "method"])
    for name in METRICS:
        op.drop_column("jobs", name)


def _index_lists(filters: list[str], counted: list[str]) -> None:
    for name, columns in {
        "ix_jobs_listed": ["created_at", "id", "status", *filters],
        "ix_jobs_of_a_status": ["status", "created_at", "id", *filters],
        "ix_jobs_counted": counted,
    }.items():
        op.drop_index(name, "jobs")
        op.create_index(name, "jobs", columns)


def _fill() -> None:
    names = ("search", *METRICS)
    change = sa.update(JOBS).where(JOBS.c.id == sa.bindparam("row"))
    change = change.values({name: sa.bindparam(f"new_{name}") for name in names})
    for rows in _batches():
        op.get_bind().execute(change, [_columns(row) for row in rows])


def _batches() -> Iterator[list[Any]]:
    last = ""
    size = sa.select(sa.func.sum(ARTIFACTS.c.size_bytes)).where(ARTIFACTS.c.job_id == JOBS.c.id)
    documents = [
        sa.cast(JOBS.c[name], sa.Text).label(name) for name in ("spec", "labels", "result")
    ]
    query = sa.select(
        *[JOBS.c[name] for name in ("id", "status", "name", "started_at", "finished_at")],
        *documents,
        size.scalar_subquery().label("size_bytes"),
    ).order_by(JOBS.c.id)
    while rows := op.get_bind().execute(query.where(JOBS.c.id > last).limit(BATCH)).all():
        yield list(rows)
        last = rows[-1].id


def _columns(job: Any) -> dict[str, Any]:
    labels = [f"{name}={value}" for name, value in json.loads(job.labels).items()]
    searched = "\n".join([job.name or "", json.loads(job.spec)["model"], *labels]).lower()
    columns = {"row": job.id, **dict.fromkeys(f"new_{name}" for name in METRICS)}
    columns["new_search"] = searched.encode()[:1024].decode(errors="ignore")
    if job.status != "succeeded":
        return columns
    result: Mapping[str, Any] = json.loads(job.result or "{}") or {}
    columns["new_perplexity"] = _number(result.get("pruned_perplexity"))
    columns["new_perplexity_ratio"] = _number(result.get("perplexity_ratio"))
    columns["new_size_bytes"] = None if job.size_bytes is None else int(job.size_bytes)
    if job.started_at and job.finished_at:
        columns["new_seconds"] = (job.finished_at - job.started_at).total_seconds()
    return columns


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
