"""The scopes that a request needs; used for authentication and for the OpenAPI document."""

import re

from db.tables.access import AccessScope

Needed = frozenset[AccessScope]

ANY_KEY: Needed = frozenset()
ADMIN: Needed = frozenset({AccessScope.admin})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
SPECIAL = (
    (re.compile(r"/v1/me"), ANY_KEY),
    (re.compile(r"/v1/(keys|audit|webhooks|triggers)(\.csv|/.*)?", re.DOTALL), ADMIN),
    (re.compile(r"/v1/workers/[^/]+/.+", re.DOTALL), ADMIN),
    (
        re.compile(r"/v1/jobs/[^/]+/(artifacts|archive|archive/links)"),
        frozenset({AccessScope.artifacts_read}),
    ),
    (re.compile(r"/v1/artifacts/.*", re.DOTALL), frozenset({AccessScope.artifacts_read})),
)
HOOK = re.compile(r"/v1/hooks/[^/]+")


def is_trigger_call(method: str, path: str) -> bool:
    """Whether a request calls a trigger; such calls use the trigger's secret instead of a key."""
    return method == "POST" and HOOK.fullmatch(path) is not None


def needed_for(method: str, path: str) -> Needed | None:
    """Return the scopes that a request's key needs; None if the request needs no key.

    Calls to triggers, and paths outside ``/v1`` and ``/metrics``, need no key. Paths that match
    nothing in ``SPECIAL`` need ``jobs:read`` for methods that only read, and ``jobs:write`` for
    all others. ``path`` may also be a route's path template.
    """
    if is_trigger_call(method, path) or not re.match(r"/(v1|metrics)(/|$)", path):
        return None
    for pattern, needed in SPECIAL:
        if pattern.fullmatch(path):
            return needed
    return frozenset({AccessScope.jobs_read if method in READING else AccessScope.jobs_write})
