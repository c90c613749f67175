"""The rows that name a job's finished files."""

from datetime import timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.core.clock import now
from db.core.errors import ArtifactNotFoundError
from db.events.job_rows import change_job, record_event
from db.tables.jobs import Artifact


class ArtifactRepository:
    """The artifacts of the jobs in one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_job(self, job_id: str) -> list[Artifact]:
        """Return the job's files by name."""
        query = select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.name)
        return list(self._session.scalars(query))

    def get(self, artifact_id: str) -> Artifact:
        """Return one file's row.

        Raises:
            ArtifactNotFoundError: there is none.
        """
        if (artifact := self._session.get(Artifact, artifact_id)) is None:
            raise ArtifactNotFoundError(artifact_id)
        return artifact

    def record_check(self, artifact_id: str, identity: str | None, damage: str | None) -> bool:
        """Write down what a check of an artifact's bytes found; return whether that is news.

        Damage, and its end, is an event of the job, and a new version of it.
        """
        artifact = self._session.get(Artifact, artifact_id, populate_existing=True)
        if artifact is None:  # deleted while it was read
            return False
        job = None
        if (artifact.damage is None) != (damage is None):
            job = change_job(self._session, artifact.job_id, values={})
        artifact.checked_as, artifact.damage = identity, damage
        artifact.checked_at = now()
        if job is not None:
            kind = "artifact_restored" if damage is None else "artifact_damaged"
            about = {"artifact_id": artifact.id, "name": artifact.name}
            record_event(
                self._session, job, kind, about if damage is None else about | {"damage": damage}
            )
        self._session.flush()
        return job is not None

    def next_unchecked(self, since: timedelta) -> Artifact | None:
        """Return the artifact whose last check is longest ago, if that is longer than ``since``."""
        due = or_(Artifact.checked_at.is_(None), Artifact.checked_at < now(-since))
        longest_ago = Artifact.checked_at.asc().nulls_first()
        return self._session.scalar(select(Artifact).where(due).order_by(longest_ago).limit(1))
