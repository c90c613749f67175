"""The rows that name a job's finished files."""

from sqlalchemy import select

from db.errors import ArtifactNotFoundError
from db.models import Artifact
from db.rows import JobRows


class ArtifactRepository(JobRows):
    """The artifacts of the jobs in one session."""

    def artifacts(self, job_id: str) -> list[Artifact]:
        """Return the job's files by name."""
        query = select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.name)
        return list(self._session.scalars(query))

    def artifact(self, artifact_id: str) -> Artifact:
        """Return one file's row.

        Raises:
            ArtifactNotFoundError: there is none.
        """
        if (artifact := self._session.get(Artifact, artifact_id)) is None:
            raise ArtifactNotFoundError(artifact_id)
        return artifact
