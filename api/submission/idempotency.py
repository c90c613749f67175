"""Idempotency keys: a repeated request gets the response of the first one."""

from dataclasses import dataclass

from pydantic import BaseModel, JsonValue
from sqlalchemy.orm import Session

from api.core.problem_response import ProblemError
from api.services.service import Service
from db.core.access_errors import QuotaExceededError
from db.core.digests import digest
from db.core.errors import IdempotencyKeyTakenError, TooManyTrialsError
from db.jobs.idempotency import IdempotencyRepository
from db.problems.requests import IDEMPOTENCY_CONFLICT
from db.tables.base import Document
from db.tables.jobs import StoredResponse

REPLAYED = {"idempotency-replayed": "true"}
OVERTAKEN = (IdempotencyKeyTakenError, QuotaExceededError, TooManyTrialsError)
"""The errors of a request if one with the same key has been committed meanwhile, and counts."""


@dataclass(frozen=True)
class KeyedRequest:
    """The parts of a request that identify it.

    Attributes:
        path: the request's path; using the same key for another path is a conflict.
        body: the body with all defaults. Values from the database must not be added: they may have
            changed when the request is repeated.
        key: the idempotency key; without one, every request is new.
        created_by: the id of the API key under which the request is made. Each API key has its own
            idempotency keys.
        sent: the JSON of the body as the client sent it.
    """

    path: str
    body: BaseModel
    key: str | None = None
    created_by: str | None = None
    sent: JsonValue = None

    @property
    def digest(self) -> str:
        """A hash of path and body, the same for a request that spells defaults out.

        A version with other fields or defaults computes another one.
        """
        return digest({"path": self.path, "body": self.body.model_dump(mode="json")})

    @property
    def sent_digest(self) -> str:
        """A hash of path and body as they were sent, the same in every version."""
        return digest({"path": self.path, "sent": self.sent})

    def is_answered_by(self, stored: StoredResponse) -> bool:
        """Whether a response stored under the request's key is that of the same request."""
        return stored.sent_digest == self.sent_digest or stored.request_digest == self.digest


def stored_response(service: Service, request: KeyedRequest) -> StoredResponse | None:
    """Return the response to an earlier request with the same key, if there was one.

    Raises:
        ProblemError: the key was used for a different request before.
    """
    if request.key is None:
        return None
    with service.sessions() as session:
        stored = IdempotencyRepository(session).get(request.key, request.created_by)
    if stored is not None and not request.is_answered_by(stored):
        detail = f"Idempotency-Key {request.key} was sent with a different request before."
        raise ProblemError(IDEMPOTENCY_CONFLICT.problem(detail))
    return stored


def is_repetition(service: Service, request: KeyedRequest, error: Exception) -> bool:
    """Whether one of `OVERTAKEN` was raised because the first request was committed meanwhile.

    Raises:
        ProblemError: the key was used for a different request meanwhile.
    """
    is_taken = isinstance(error, IdempotencyKeyTakenError)
    return is_taken or stored_response(service, request) is not None


def store_response(
    session: Session, request: KeyedRequest, job_id: str, status: int, body: Document
) -> None:
    """Store the response in the caller's transaction, if the request has a key.

    Raises:
        IdempotencyKeyTakenError: another request has used the key meanwhile.
    """
    if request.key is not None:
        IdempotencyRepository(session).save(
            request.key,
            request.digest,
            job_id,
            status,
            body,
            request.created_by,
            sent_digest=request.sent_digest,
        )
