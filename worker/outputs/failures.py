"""The failures of attempts: the problem of each, and whether the attempt is repeated."""

from dataclasses import dataclass
from datetime import timedelta

from db.buckets.errors import BucketError
from db.core.access_errors import EncryptionKeyError
from db.core.errors import ArtifactDamagedError, ArtifactDeletedError, SpecRefusedError
from db.core.escaping import escape_surrogates
from db.core.problem import Problem
from db.core.redaction import redact
from db.problems import outputs as kinds
from db.problems.catalogue import kind_of, refusal_problem
from db.problems.kind import ProblemKind
from db.problems.service import STORAGE_UNAVAILABLE

MAX_DETAIL = 500
TRANSIENT = frozenset({408, 409, 412, 425, 429})
"""Client errors that may be over by the next attempt; so may server errors, except for these:"""
FINAL = frozenset({501, 505, 507})
KINDS = {
    401: kinds.DENIED,
    403: kinds.DENIED,
    404: kinds.MISSING,
    413: kinds.TOO_LARGE,
    507: kinds.FULL,
}


class TargetError(Exception):
    """The target refused a request, or could not be reached.

    Attributes:
        status: the HTTP status of the response; None without a response.
        detail: what the target responded, or how the connection failed.
        retry_after: the delay that the response asks for.
        is_final: whether no request like this can succeed, so that none was sent.
    """

    def __init__(
        self,
        status: int | None,
        detail: str,
        retry_after: timedelta | None = None,
        *,
        is_final: bool = False,
    ) -> None:
        super().__init__(status, detail, retry_after)
        self.status, self.detail, self.retry_after = status, detail, retry_after
        self.is_final = is_final

    def __str__(self) -> str:
        return self.detail if self.status is None else f"status {self.status}: {self.detail}"

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later."""
        if self.status is None or self.status in TRANSIENT:
            return not self.is_final
        return self.status >= 500 and self.status not in FINAL


class SecretFormatError(Exception):
    """The value of a secret has another form; the message describes the form, not the value."""


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed.

    Attributes:
        is_transient: whether the next attempt may succeed.
        retry_after: the delay that the target asks for.
        is_expected: whether the problem describes the cause; otherwise the log needs a traceback.
    """

    problem: Problem
    is_transient: bool = False
    retry_after: timedelta | None = None
    is_expected: bool = True


def failure_of(error: Exception, address: str) -> Failure:
    """Return what an error means that was raised while a result was sent to an address."""
    match error:
        case TargetError():
            kind = _kind_of(error)
            problem = _problem(kind, f"{address} responded with {error}.")
            if error.status is None:
                problem = _problem(kind, f"{address} could not be used: {error}.")
            return Failure(problem, error.is_transient, error.retry_after)
        case SpecRefusedError():
            return Failure(refusal_problem(error))
        case ArtifactDamagedError() | ArtifactDeletedError() | EncryptionKeyError():
            return Failure(_problem(kind_of(error), str(error)))
        case BucketError():
            return Failure(_problem(STORAGE_UNAVAILABLE, str(error)), is_transient=True)
        case SecretFormatError():
            return Failure(_problem(kinds.SECRET_FORMAT, str(error)))
    problem = _problem(kinds.SEND_FAILED, f"Sending to {address} met {type(error).__name__}.")
    return Failure(problem, is_expected=False)


def _kind_of(error: TargetError) -> ProblemKind:
    if error.is_transient:
        return kinds.UNREACHABLE
    return KINDS.get(error.status or 0, kinds.REFUSED)


def _problem(kind: ProblemKind, detail: str) -> Problem:
    return kind.problem(escape_surrogates(redact(detail))[:MAX_DETAIL])
