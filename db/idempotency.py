"""Keys by which a caller repeats a request without repeating what it did."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from db.base import Document
from db.errors import KeyTakenError
from db.models import Answer
from db.rows import JobRows


class AnswerRepository(JobRows):
    """The first answers of requests that carried a key."""

    def answer(self, key: str) -> Answer | None:
        """Return what the request with this key was answered first."""
        return self._session.scalar(select(Answer).where(Answer.key == key))

    def keep_answer(
        self, key: str, request_digest: str, job_id: str, status: int, body: Document
    ) -> None:
        """Keep the answer in the transaction that did what it tells of.

        Raises:
            KeyTakenError: another request has used the key meanwhile; roll back, and read its
                answer.
        """
        self._session.add(
            Answer(key=key, request_digest=request_digest, job_id=job_id, status=status, body=body)
        )
        try:
            self._session.flush()
        except IntegrityError:
            raise KeyTakenError(key) from None
