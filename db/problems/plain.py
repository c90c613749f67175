"""Problem kinds that are plain HTTP statuses, without a meaning specific to this service."""

from db.problems.kind import ProblemKind

PLAIN = {
    kind.status: kind
    for kind in (
        ProblemKind("bad_request", 400, "Bad request", None),
        ProblemKind("not_found", 404, "Not found", None, "/docs lists all routes."),
        ProblemKind("method_not_allowed", 405, "Method not allowed", None, "See the Allow header."),
        ProblemKind(
            "too_large",
            413,
            "The body is too large",
            None,
            "A job is a few hundred bytes of JSON.",
        ),
    )
}
