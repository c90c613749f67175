"""Problem kinds for authentication, scopes, links, request rates, quotas and secrets."""

from db.core.access_errors import (
    ApiKeyNotFoundError,
    ApiKeyRevokedError,
    BudgetExceededError,
    EncryptionKeyError,
    QuotaExceededError,
    SecretExistsError,
    SecretNotFoundError,
    TooManySecretsError,
)
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
BUDGET_EXCEEDED = GROUP.add(
    "budget_exceeded",
    429,
    "The key's budget is used up",
    "The key that the job counts against has a budget for each calendar month, and what it has "
    "spent, what its unfinished jobs will likely cost and what the request likely costs are more; "
    "the detail has the amounts, and when the month ends.",
    error=BudgetExceededError,
)
SECRET_NOT_FOUND = GROUP.add(
    "secret_not_found",
    404,
    "No such secret",
    "The caller's key has no secret of this name. A job uses the secrets of the key that it counts "
    "against.",
    "GET /v1/secrets lists the secrets of a key; PUT /v1/secrets/{name} stores one.",
    error=SecretNotFoundError,
)
SECRET_EXISTS = GROUP.add(
    "secret_exists",
    409,
    "The secret exists",
    "POST /v1/secrets only creates secrets, and the caller's key has one of this name.",
    "PUT /v1/secrets/{name} replaces its value; or choose another name.",
    error=SecretExistsError,
)
TOO_MANY_SECRETS = GROUP.add(
    "too_many_secrets",
    409,
    "The key has too many secrets",
    "The caller's key has as many secrets as one key may have.",
    "DELETE /v1/secrets/{name} deletes one that is no longer needed.",
    error=TooManySecretsError,
)
ENCRYPTION_KEY = GROUP.add(
    "encryption_key",
    503,
    "The service cannot encrypt or decrypt secrets",
    "A process of the service has no encryption key for secrets, or not the one that a secret was "
    "encrypted with; docs/access.md says how the operator sets it.",
    "Give every process of the service the same ZPRUNER_SECRETS_KEY or ZPRUNER_SECRETS_KEY_FILE. "
    "If the former key is lost, store the secret again.",
    error=EncryptionKeyError,
)
