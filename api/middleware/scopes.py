"""Which scope a request needs; the guard asks here, and so does the OpenAPI document."""

import re

from db.tables.access import AccessScope

Needed = frozenset[AccessScope]

ANY_KEY: Needed = frozenset()
ADMIN: Needed = frozenset({AccessScope.admin})
READING = frozenset({"GET", "HEAD", "OPTIONS"})
SPECIAL = (
    (re.compile(r"/v1/me"), ANY_KEY),
    (re.compile(r"/v1/(keys|audit|webhooks|triggers)(/.*)?", re.DOTALL), ADMIN),
    (re.compile(r"/v1/workers/.+", re.DOTALL), ADMIN),
    (re.compile(r"/v1/jobs/[^/]+/(artifacts|archive)"), frozenset({AccessScope.artifacts_read})),
    (re.compile(r"/v1/artifacts/.*", re.DOTALL), frozenset({AccessScope.artifacts_read})),
)
HOOK = re.compile(r"/v1/hooks/[^/]+")


def proves_itself(method: str, path: str) -> bool:
    """Whether a request comes without a key and is checked by its route: the call of a trigger."""
    return method == "POST" and HOOK.fullmatch(path) is not None


def needed_for(method: str, path: str) -> Needed | None:
    """Return what a request's key must be good for; None: no key is asked for.

    A path of the API that is not named here is not open: reading needs ``jobs:read``, everything
    else ``jobs:write``. ``path`` may be a route's template.
    """
    if proves_itself(method, path) or not re.match(r"/(v1|metrics)(/|$)", path):
        return None
    for pattern, needed in SPECIAL:
        if pattern.fullmatch(path):
            return needed
    return frozenset({AccessScope.jobs_read if method in READING else AccessScope.jobs_write})
