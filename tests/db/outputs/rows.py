"""Jobs with outputs, in the database only."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from db.core.clock import now
from db.core.session import Sessions
from db.files.sealed_folder import NewArtifact
from db.outputs.repository import OutputRepository
from db.outputs.sending import ClaimedOutput, SendingRepository
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.tables.jobs import Job, JobEvent
from db.tables.outputs import Output
from tests.factories import make_job, make_spec

HUB = {"hub": "org/name", "secret": "hf"}
SERVER = {"mlflow": "https://mlflow.example", "experiment": "pruning"}
FILES = [
    NewArtifact("model.safetensors", 900, "0" * 64, "application/octet-stream"),
    NewArtifact("report.json", 100, "1" * 64, "application/json"),
]


def succeed(sessions: Sessions, *targets: dict[str, Any], **overrides: Any) -> Job:
    """Insert a job with these targets that has succeeded; the overrides are fields of its row."""
    job = make_job(sessions, make_spec(output=targets or (HUB,)), **overrides)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "gpu@test")
        return LeaseRepository(session).succeed(job.id, 1, {"sparsity": 0.5}, FILES)


def outputs(sessions: Sessions, job: Job) -> list[Output]:
    with sessions() as session:
        return OutputRepository(session).of_job(job.id)


def claim(sessions: Sessions) -> ClaimedOutput | None:
    with sessions.begin() as session:
        return SendingRepository(session).claim()


def claimed(sessions: Sessions) -> ClaimedOutput:
    found = claim(sessions)
    assert found is not None
    return found


def shift(sessions: Sessions, column: str, seconds: float) -> None:
    """Set a time of all outputs, relative to now."""
    with sessions.begin() as session:
        session.execute(update(Output).values({column: now(timedelta(seconds=seconds))}))


def events(sessions: Sessions, job: Job) -> list[JobEvent]:
    query = select(JobEvent).where(JobEvent.job_id == job.id, JobEvent.kind.like("output_%"))
    with sessions() as session:
        return list(session.scalars(query.order_by(JobEvent.seq)))
