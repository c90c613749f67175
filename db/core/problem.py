"""The document that describes an error, both in responses and on failed jobs."""

from pydantic import BaseModel


class FieldProblem(BaseModel):
    """One invalid field: where it is, and how to correct it."""

    pointer: str
    code: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details with this service's extensions.

    Programs should test ``code``. ``title`` is the same for every problem with that code;
    ``detail`` describes this occurrence and ``hint`` says what to change.
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
