"""Kinds of problems, and groups of such kinds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from db.core.problem import FieldProblem, Problem
from db.core.redaction import redact

Value = TypeVar("Value")


@dataclass(frozen=True)
class ProblemKind:
    """The properties of the problems with one code.

    A single problem may have another status or hint, or another value of ``retryable``.

    Attributes:
        code: the name by which programs tell kinds of problem apart.
        status: the HTTP status; the problem document of a failed job contains it, too.
        title: a short summary, the same for every problem of the kind.
        explanation: the text of the page ``/problems/{code}``; None for a plain HTTP status, which
            has no page.
        remedy: the hint on what to change, unless a problem gives a more precise one.
        retryable: whether the same request may succeed later.
    """

    code: str
    status: int
    title: str
    explanation: str | None
    remedy: str | None = None
    retryable: bool = False

    def problem(
        self,
        detail: str,
        *,
        status: int | None = None,
        hint: str | None = None,
        retryable: bool | None = None,
        errors: Sequence[FieldProblem] = (),
    ) -> Problem:
        """Return the document of a problem of this kind, without secrets in its texts.

        ``status``, ``hint`` and ``retryable`` replace the values of the kind, unless they are None.
        """
        return Problem(
            type="about:blank" if self.explanation is None else f"/problems/{self.code}",
            title=self.title,
            status=self.status if status is None else status,
            detail=redact(detail),
            code=self.code,
            retryable=self.retryable if retryable is None else retryable,
            hint=self.remedy if hint is None else hint,
            errors=[error.model_copy(update={"detail": redact(error.detail)}) for error in errors],
        )


class KindGroup:
    """A group of problem kinds, indexed by code and by the class of the errors they describe."""

    def __init__(self) -> None:
        self.by_code: dict[str, ProblemKind] = {}
        self.by_error: dict[type[BaseException], ProblemKind] = {}

    def add(
        self,
        code: str,
        status: int,
        title: str,
        explanation: str,
        remedy: str | None = None,
        *,
        retryable: bool = False,
        error: type[BaseException] | None = None,
    ) -> ProblemKind:
        """Add a kind and return it; if ``error`` is given, errors of that class are of this kind.

        Raises:
            ValueError: there is already a kind for the code or for the class.
        """
        kind = ProblemKind(code, status, title, explanation, remedy, retryable)
        self._merge({code: kind}, {} if error is None else {error: kind})
        return kind

    def merge(self, other: "KindGroup") -> None:
        """Add all kinds of another group.

        Raises:
            ValueError: both groups have a kind for the same code or class.
        """
        self._merge(other.by_code, other.by_error)

    def _merge(
        self, by_code: dict[str, ProblemKind], by_error: dict[type[BaseException], ProblemKind]
    ) -> None:
        if twice := (self.by_code.keys() & by_code) or (self.by_error.keys() & by_error):
            raise ValueError(f"two problem kinds have {', '.join(map(str, twice))}")
        self.by_code |= by_code
        self.by_error |= by_error


def for_class(table: Mapping[type[BaseException], Value], error: type[BaseException]) -> Value:
    """Return the entry of the class itself, or else of its nearest base class that has one.

    Raises:
        LookupError: neither the class nor a base class has an entry.
    """
    for base in error.__mro__:
        if base in table:
            return table[base]
    raise LookupError(f"{error.__name__} has no entry, nor has a base class of it")
