"""The owners of trials, by the job that answers; concurrent requests share one read."""

from collections.abc import Mapping, Sequence

from api.core.caller import Caller
from api.core.current_values import CommitMarks, CurrentValues
from db.core.errors import JobNotFoundError
from db.core.session import Sessions
from db.jobs.trials import TrialRepository, TriedBy

MAX_JOBS = 4096
READS_AT_ONCE = 4


class TrialOwners:
    """Hides the jobs that answer trials of other keys' jobs; for use on one event loop."""

    def __init__(self, sessions: Sessions, marks: CommitMarks) -> None:
        self._sessions = sessions
        self._owners = CurrentValues[str, TriedBy | None](
            marks, self._read, max_values=MAX_JOBS, reads_at_once=READS_AT_ONCE
        )

    async def require_own(self, job_id: str, caller: Caller) -> None:
        """Refuse a job that answers a trial of another key's job, as if there were no such job.

        Whether there is a job of any other kind is not checked.

        Raises:
            JobNotFoundError: the caller may not see the job.
        """
        if caller.owns_all:
            return
        tried_by = await self._owners.get(job_id)
        if tried_by is not None and not caller.owns(tried_by.key_id):
            raise JobNotFoundError(job_id)

    def _read(
        self, job_ids: Sequence[str], _known: Mapping[str, TriedBy | None]
    ) -> Mapping[str, TriedBy | Exception | None]:
        with self._sessions() as session:
            owners = TrialRepository(session).owners(job_ids)
        return {job_id: owners.get(job_id) for job_id in job_ids}
