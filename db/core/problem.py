"""The one document that says what went wrong, in an answer and on a failed job alike."""

from pydantic import BaseModel


class FieldProblem(BaseModel):
    """One field that was refused: where it is, and what to do about it."""

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details with this service's extensions.

    ``code`` is what programs switch on, ``title`` never varies for a code, ``detail`` and
    ``hint`` are for the person: what happened, and what to change.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
    request_id: str | None = None
    retryable: bool = False
    hint: str | None = None
    errors: list[FieldProblem] = []
