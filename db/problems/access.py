"""Problem kinds for authentication, key scopes, download links, request rates and quotas."""

from db.core.errors import ApiKeyNotFoundError, ApiKeyRevokedError, QuotaExceededError
from db.problems.kind import KindGroup

GROUP = KindGroup()

UNAUTHENTICATED = GROUP.add(
    "unauthenticated",
    401,
    "A valid key is needed",
    "The request has no key, or the key is not valid. Only a service on loopback with default "
    "settings accepts requests without a key.",
    "Send Authorization: Bearer zpr_…. The operator of the service creates keys with `zpruner keys "
    "create NAME`, and the first one with `zpruner keys bootstrap NAME`.",
)
UNPROVEN_CALL = GROUP.add(
    "unproven_call",
    401,
    "The call is not authenticated",
    "The call of a trigger has no secret, has a wrong one, is not signed with it, was signed more "
    "than five minutes ago, or is signed as another kind of source signs.",
    "Give the calling system the trigger's secret as its kind of source needs it, and check its "
    "clock; docs/triggers.md says how.",
)
MISSING_SCOPE = GROUP.add(
    "missing_scope",
    403,
    "The key lacks a scope",
    "The key does not permit this request; the detail names the scope that it lacks.",
)
LINK_REFUSED = GROUP.add(
    "link_refused",
    403,
    "The link is not valid",
    "The link to a file was changed, its file is gone, or the key that it was created with is "
    "revoked or has expired.",
    "Use the link exactly as it was returned, or create another one: POST to "
    "/v1/artifacts/{id}/links.",
)
LINK_EXPIRED = GROUP.add(
    "link_expired",
    410,
    "The link has expired",
    "A link to a file is valid for a limited time, which is over.",
    "Create another one: POST to /v1/artifacts/{id}/links.",
)
RATE_LIMITED = GROUP.add(
    "rate_limited",
    429,
    "Too many requests",
    "The key, or the address of a request without a key, has sent more requests than allowed; "
    "RateLimit-Policy in every response gives the limit.",
    "Wait for Retry-After, then send fewer requests; If-None-Match, event streams and lists save "
    "requests.",
    retryable=True,
)
KEY_NOT_FOUND = GROUP.add(
    "key_not_found",
    404,
    "No such key",
    "There is no key with the id in the path.",
    "GET /v1/keys lists all keys.",
    error=ApiKeyNotFoundError,
)
KEY_REVOKED = GROUP.add(
    "key_revoked",
    409,
    "The key is revoked or expired",
    "The key was revoked or has expired, so it cannot get a new secret.",
    "POST /v1/keys creates another one.",
    error=ApiKeyRevokedError,
)
QUOTA_EXCEEDED = GROUP.add(
    "quota_exceeded",
    429,
    "The key's quota is used up",
    "The key that the job counts against has reached one of its quotas; the detail names the "
    "quota, what is used of it and what is allowed.",
    error=QuotaExceededError,
)
