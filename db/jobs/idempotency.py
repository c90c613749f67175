"""Keys by which a caller repeats a request without repeating what it did."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from db.core.errors import KeyTakenError
from db.events.base_repository import JobRows
from db.tables.base import Document
from db.tables.jobs import Answer


class AnswerRepository(JobRows):
    """The first answers of requests that carried a key."""

    def answer(self, key: str, created_by: str | None = None) -> Answer | None:
        """Return what the caller's request with this key was answered first."""
        query = select(Answer).where(Answer.created_by == (created_by or ""), Answer.key == key)
        return self._session.scalar(query)

    def keep_answer(
        self,
        key: str,
        request_digest: str,
        job_id: str,
        status: int,
        body: Document,
        created_by: str | None = None,
    ) -> None:
        """Keep the answer in the transaction that did what it tells of.

        Raises:
            KeyTakenError: another request has used the key meanwhile; roll back, and read its
                answer.
        """
        answer = Answer(
            created_by=created_by or "",
            key=key,
            request_digest=request_digest,
            job_id=job_id,
            status=status,
            body=body,
        )
        self._session.add(answer)
        try:
            self._session.flush()
        except IntegrityError:
            raise KeyTakenError(key) from None
