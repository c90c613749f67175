"""Reading a job with everything that its own page shows."""

from sqlalchemy.orm import Session

from api.schemas.jobs import JobDetail
from db.events.job_events import EventRepository
from db.outputs.repository import OutputRepository
from db.scheduling.queues import QueueRepository
from db.tables.jobs import Job


def job_detail(session: Session, job: Job) -> JobDetail:
    """Return a job with its attempts, phases and outputs, and its position in the queue."""
    return JobDetail.with_history(
        job,
        EventRepository(session).milestones(job.id),
        QueueRepository(session).near_position(job),
        OutputRepository(session).shown(job),
    )
