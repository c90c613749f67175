"""The catalogue of problem kinds, which finds a kind by its code or by an error's class."""

from dataclasses import replace

from db.core.errors import JobError, SpecRefusedError
from db.core.escaping import escape_surrogates
from db.core.problem import FieldProblem, Problem
from db.problems import access, failures, outputs, requests, resources, service, specification
from db.problems.kind import KindGroup, ProblemKind, for_class

CATALOGUE = KindGroup()
for _module in (requests, access, resources, service, specification, failures, outputs):
    CATALOGUE.merge(_module.GROUP)


def kind_of(error: JobError) -> ProblemKind:
    """Return the problem kind of the error's class, or of its nearest base class that has one."""
    return for_class(CATALOGUE.by_error, type(error))


def refusal_problem(error: SpecRefusedError) -> Problem:
    """Return the problem of a refused specification, with the code and remedy of the error."""
    kind = CATALOGUE.by_code.get(error.code, kind_of(error))
    detail = escape_surrogates(str(error))
    field = FieldProblem(pointer=error.pointer, code=error.code, detail=detail)
    # A refused specification is 422, even if a failed job of the same code has another status.
    refused = replace(kind, code=error.code, status=422)
    return refused.problem(detail, hint=escape_surrogates(error.remedy), errors=[field])
