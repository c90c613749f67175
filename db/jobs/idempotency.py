"""Responses stored under idempotency keys, so that a repeated request has no second effect."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.core.errors import IdempotencyKeyTakenError
from db.tables.base import Document
from db.tables.jobs import StoredResponse


class IdempotencyRepository:
    """Stores the first response to each request with an idempotency key; never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, key: str, created_by: str | None = None) -> StoredResponse | None:
        """Return the response to the caller's first request with this idempotency key, if any."""
        query = select(StoredResponse).where(
            StoredResponse.created_by == (created_by or ""), StoredResponse.key == key
        )
        return self._session.scalar(query)

    def save(
        self,
        key: str,
        request_digest: str,
        job_id: str,
        status: int,
        body: Document,
        created_by: str | None = None,
        *,
        sent_digest: str | None = None,
    ) -> None:
        """Store the response to a request; call this in the transaction that creates its jobs.

        Raises:
            IdempotencyKeyTakenError: a concurrent request has used the key. Roll back, and return
                the response that was stored for that request.
        """
        response = StoredResponse(
            created_by=created_by or "",
            key=key,
            request_digest=request_digest,
            sent_digest=sent_digest,
            job_id=job_id,
            status=status,
            body=body,
        )
        self._session.add(response)
        try:
            self._session.flush()
        except IntegrityError:
            raise IdempotencyKeyTakenError(key) from None
