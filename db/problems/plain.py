"""Problem kinds by HTTP status, for errors that have no kind of their own."""

from db.problems.kind import ProblemKind
from db.problems.requests import NOT_FOUND, TOO_LARGE

PLAIN = {
    kind.status: kind
    for kind in (
        ProblemKind("bad_request", 400, "Bad request", None),
        ProblemKind("method_not_allowed", 405, "Method not allowed", None, "See the Allow header."),
        NOT_FOUND,
        TOO_LARGE,
    )
}
