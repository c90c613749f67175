"""Jobs with events, as a worker makes them, and the header that asks for their stream."""

from db.core.session import Sessions
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository

STREAM = {"accept": "text/event-stream"}


def claim(sessions: Sessions, job_id: str) -> int:
    with sessions.begin() as session:
        job = ClaimRepository(session).claim(job_id, "gpu@host")
    assert job is not None
    return int(job.attempt)


def advance(sessions: Sessions, job_id: str, attempt: int, blocks: int) -> None:
    for index in range(blocks):
        with sessions.begin() as session:
            block = (index, blocks, f"layers.{index}")
            LeaseRepository(session).report_progress(job_id, attempt, block=block)


def succeed(sessions: Sessions, job_id: str, attempt: int) -> None:
    with sessions.begin() as session:
        LeaseRepository(session).succeed(job_id, attempt, {}, [])


def run(sessions: Sessions, job_id: str, blocks: int = 2) -> None:
    attempt = claim(sessions, job_id)
    advance(sessions, job_id, attempt, blocks)
    succeed(sessions, job_id, attempt)
