"""Requests with a key, which are answered once however often they come."""

from dataclasses import dataclass

from pydantic import BaseModel
from sqlalchemy.orm import Session

from api.deps import Service
from api.problems.handlers import ProblemError
from db.core.digests import digest
from db.jobs.idempotency import IdempotencyRepository
from db.problems.requests import IDEMPOTENCY_CONFLICT
from db.tables.base import Document
from db.tables.jobs import Answer

REPLAYED = {"idempotency-replayed": "true"}


@dataclass(frozen=True)
class KeyedRequest:
    """What makes two requests the same one.

    Attributes:
        path: where it came to; the same key elsewhere is another request.
        sent: what came with it, and nothing that was read since: that may have changed.
        key: the caller's idempotency key; without one every request is new.
        created_by: the caller's API key; another caller's idempotency key is another one.
    """

    path: str
    sent: BaseModel
    key: str | None = None
    created_by: str | None = None

    @property
    def digest(self) -> str:
        """What tells this request from another one with the same key."""
        return digest({"path": self.path, "body": self.sent.model_dump(mode="json")})


def first_answer(service: Service, request: KeyedRequest) -> Answer | None:
    """Return what a request with the same key was answered first, if there was one.

    Raises:
        ProblemError: it was another request.
    """
    if request.key is None:
        return None
    with service.sessions() as session:
        kept = IdempotencyRepository(session).get(request.key, request.created_by)
    if kept is not None and kept.request_digest != request.digest:
        detail = f"Idempotency-Key {request.key} was sent with another request before."
        raise ProblemError(IDEMPOTENCY_CONFLICT.problem(detail))
    return kept


def keep_answer(
    session: Session, request: KeyedRequest, job_id: str, status: int, body: Document
) -> None:
    """Keep the answer of a request that has a key, in the transaction that did what it tells of.

    Raises:
        KeyTakenError: another request has used the key meanwhile.
    """
    if request.key is not None:
        IdempotencyRepository(session).save(
            request.key, request.digest, job_id, status, body, request.created_by
        )
