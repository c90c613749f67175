"""What a worker would do to a job, for tests of what a caller then sees."""

from datetime import timedelta
from typing import Any

from sqlalchemy import update

from db.core.clock import now
from db.core.session import Sessions
from db.files.artifact_store import ArtifactStore
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.jobs import Job
from tests.factories import make_job

FILES = {
    "model/config.json": b"{}",
    "model/weights.bin": bytes(range(256)) * 40,
    "provenance.json": b'{"subject": []}',
    "report.json": b'{"blocks": []}',
}


def finish_job(
    sessions: Sessions,
    store: ArtifactStore,
    files: dict[str, bytes] = FILES,
    *,
    days_ago: float = 0,
    **overrides: Any,
) -> Job:
    """Run a job to its good end, with these files; the overrides are fields of its row."""
    job = finish(sessions, store, make_job(sessions, **overrides).id, files)
    if days_ago:
        with sessions.begin() as session:
            past = now(-timedelta(days=days_ago))
            session.execute(update(Job).where(Job.id == job.id).values(finished_at=past))
    return job


def finish(
    sessions: Sessions,
    store: ArtifactStore,
    job_id: str,
    files: dict[str, bytes] = FILES,
    metrics: dict[str, Any] | None = None,
) -> Job:
    """Run a queued job to its good end, with these files and metrics."""
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@test")
    staged = store.stage(job_id, 1)
    for name, content in files.items():
        path = staged / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    published = store.publish(staged, job_id)
    with sessions.begin() as session:
        result = {"sparsity": 0.5} if metrics is None else metrics
        return LeaseRepository(session).succeed(job_id, 1, result, published)
