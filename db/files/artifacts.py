"""The database rows of artifacts, which are the finished files of jobs."""

from datetime import timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import ArtifactNotFoundError
from db.events.job_rows import change_job, record_event
from db.tables.artifacts import Artifact


class ArtifactRepository:
    """Reads artifacts and stores the results of integrity checks; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_job(self, job_id: str) -> list[Artifact]:
        """Return the job's artifacts, ordered by name."""
        query = select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.name)
        return list(self._session.scalars(query))

    def get(self, artifact_id: str) -> Artifact:
        """Return one artifact.

        Raises:
            ArtifactNotFoundError: there is no such artifact.
        """
        if (artifact := self._session.get(Artifact, artifact_id)) is None:
            raise ArtifactNotFoundError(artifact_id)
        return artifact

    def record_check(self, artifact_id: str, identity: str | None, damage: str | None) -> bool:
        """Store the result of an integrity check.

        If the artifact was intact and is now damaged, or the reverse, an event is added to the job
        and the job's version is incremented. Return whether this happened.
        """
        artifact = self._session.get(Artifact, artifact_id, populate_existing=True)
        if artifact is None or artifact.deleted_at is not None:  # deleted during the check
            return False
        job = None
        if (artifact.damage is None) != (damage is None):
            job = change_job(self._session, artifact.job_id, values={})
        artifact.checked_as, artifact.damage = identity, damage
        artifact.checked_at = now()
        if job is not None:
            kind = "artifact_restored" if damage is None else "artifact_damaged"
            data = {"artifact_id": artifact.id, "name": artifact.name}
            if damage is not None:
                data["damage"] = damage
            record_event(self._session, job, kind, data)
        self._session.flush()
        return job is not None

    def next_unchecked(self, since: timedelta) -> Artifact | None:
        """Return the artifact that was checked longest ago, but only if more than ``since`` ago.

        Artifacts that were never checked come first.
        """
        due = or_(Artifact.checked_at.is_(None), Artifact.checked_at < now(-since))
        stored = select(Artifact).where(due, Artifact.deleted_at.is_(None))
        longest_ago = Artifact.checked_at.asc().nulls_first()
        return self._session.scalar(stored.order_by(longest_ago).limit(1))
