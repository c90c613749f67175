"""How each kind of refusal looks to a client."""

from dataclasses import dataclass

from db.core.errors import (
    AddressRefusedError,
    ApiKeyNotFoundError,
    ApiKeyRevokedError,
    ArtifactDamagedError,
    ArtifactNotFoundError,
    DatasetInUseError,
    DatasetNotFoundError,
    DeliveryNotFoundError,
    EstimateNotFoundError,
    IllegalTransitionError,
    JobError,
    JobNotFoundError,
    LeaseLostError,
    NoArtifactsError,
    QuotaExceededError,
    SpecRefusedError,
    StaleVersionError,
    SweepNotFoundError,
    TriggerKeyError,
    TriggerNotFoundError,
    UploadRefusedError,
    WebhookDisabledError,
    WebhookNotFoundError,
    WorkerNotFoundError,
)


@dataclass(frozen=True)
class Face:
    """How one kind of refusal looks; ``code`` is what programs switch on."""

    status: int
    code: str
    title: str
    hint: str | None = None
    retryable: bool = False


PROBLEMS: dict[type[JobError], Face] = {
    JobNotFoundError: Face(
        404, "job_not_found", "No such job", "GET /v1/jobs lists the jobs there are."
    ),
    ArtifactNotFoundError: Face(
        404,
        "artifact_not_found",
        "No such artifact",
        "GET /v1/jobs/{id}/artifacts lists the files of a job.",
    ),
    ArtifactDamagedError: Face(
        410,
        "artifact_damaged",
        "The file is damaged",
        "Rerun its job (POST to /v1/jobs/{id}/rerun): the same seed on the same machine gives the "
        "same bytes. Or restore the file from a backup; it is read again then.",
    ),
    WorkerNotFoundError: Face(
        404, "worker_not_found", "No such worker", "GET /v1/workers lists the workers there are."
    ),
    SweepNotFoundError: Face(
        404, "sweep_not_found", "No such sweep", "GET /v1/sweeps lists the sweeps there are."
    ),
    EstimateNotFoundError: Face(
        404,
        "estimate_not_found",
        "No such estimate",
        "Estimates are kept for a day; POST to /v1/estimates for a new one.",
    ),
    IllegalTransitionError: Face(409, "invalid_state", "Not possible in this state"),
    StaleVersionError: Face(
        412,
        "stale_version",
        "The job has changed",
        "GET the job again, decide anew, and send its new ETag in If-Match.",
    ),
    NoArtifactsError: Face(
        409,
        "no_artifacts",
        "The job has no files",
        "Files exist once the job's status is succeeded.",
    ),
    LeaseLostError: Face(409, "lease_lost", "The attempt no longer holds the job"),
    ApiKeyNotFoundError: Face(
        404, "key_not_found", "No such key", "GET /v1/keys lists the keys there are."
    ),
    ApiKeyRevokedError: Face(
        409, "key_revoked", "The key opens nothing", "POST /v1/keys makes another one."
    ),
    QuotaExceededError: Face(429, "quota_exceeded", "The key's quota is used up"),
    WebhookNotFoundError: Face(
        404,
        "webhook_not_found",
        "No such webhook",
        "GET /v1/webhooks lists what there is.",
    ),
    WebhookDisabledError: Face(
        409,
        "webhook_disabled",
        "Nothing is sent to the webhook",
        'PATCH it with {"enabled": true} first: what waits for it is sent then, too.',
    ),
    DeliveryNotFoundError: Face(
        404,
        "delivery_not_found",
        "No such delivery",
        "GET /v1/webhooks/{id}/deliveries lists those of a webhook; they are kept for 30 days.",
    ),
    TriggerNotFoundError: Face(
        404,
        "trigger_not_found",
        "No such trigger",
        "GET /v1/triggers lists the triggers there are.",
    ),
    TriggerKeyError: Face(
        409,
        "trigger_key_ended",
        "The trigger's key opens nothing",
        "Make the trigger anew with a key that is neither revoked nor expired: jobs count for it.",
    ),
    DatasetNotFoundError: Face(
        404,
        "upload_not_found",
        "No such dataset was uploaded",
        "GET /v1/datasets lists what was uploaded.",
    ),
    DatasetInUseError: Face(
        409,
        "dataset_in_use",
        "Jobs need the dataset",
        "Wait until these jobs have ended, or cancel them.",
    ),
    UploadRefusedError: Face(422, "unreadable_dataset", "The file is no text that jobs can use"),
    AddressRefusedError: Face(422, "address_refused", "Nothing is sent to this address"),
    SpecRefusedError: Face(422, "spec_refused", "The specification names something unusable"),
}
"""Every refusal about a job. ``SpecRefusedError`` and its kin bring their own codes and hints;
the hint of ``IllegalTransitionError`` is what the job's state allows."""

IDEMPOTENCY_CONFLICT = Face(
    422,
    "idempotency_conflict",
    "The key belongs to another request",
    "Make a new key for every request; send the same one only to repeat the same request.",
)
INVALID = Face(422, "invalid_request", "The request is not valid")
MALFORMED = Face(400, "malformed_json", "The body is not JSON", "Send one JSON object.")
BAD_RANGE = Face(
    416, "range_not_satisfiable", "No such range", "Ask for bytes inside the file's size."
)
NOT_SUCCEEDED = Face(
    424,
    "not_succeeded",
    "The job did not succeed",
    "POST to its /retry for another attempt, or to its /rerun with changes.",
)
GATE_FAILED = Face(
    424,
    "gate_failed",
    "The job's figures are out of bounds",
    "GET the job for all of its figures; POST to its /rerun with a lower sparsity, another method, "
    "or another gate.",
)
UNFINISHED = Face(
    503, "unfinished", "The job goes on", "Ask again after Retry-After.", retryable=True
)
NOT_READY = Face(503, "not_ready", "The service is not ready", retryable=True)
CROSS_ORIGIN = Face(
    403,
    "cross_origin",
    "A page of another origin may not change anything",
    "Call the API from its own origin. A proxy in front of it has to pass Host on unchanged.",
)
HOST_NOT_ALLOWED = Face(
    421,
    "host_not_allowed",
    "The service does not answer to this host",
    "Call the service by localhost or the address it listens on, or add the host to "
    "ZPRUNER_ALLOWED_HOSTS (names separated by commas) and restart the API.",
)
BUSY = Face(
    503,
    "busy",
    "Too many changes are being written",
    "Nothing was done: ask again after Retry-After. If it lasts, something holds the database.",
    retryable=True,
)
NO_DATABASE = Face(
    503,
    "database_unavailable",
    "The database does not answer",
    "Ask again after Retry-After: most often it is being restarted. A change may have been made: "
    "look, or repeat the request with its Idempotency-Key.",
    retryable=True,
)
INTERNAL = Face(
    500,
    "server_error",
    "The service failed",
    "The service's log holds the traceback under this request_id.",
)
PRECONDITION_FAILED = Face(
    412, "precondition_failed", "Not this version", "GET it again for its present ETag."
)
DATASET_TOO_LARGE = Face(
    413,
    "dataset_too_large",
    "The dataset is too large",
    "Upload a part of it: calibration takes 128 windows. An operator can raise "
    "ZPRUNER_MAX_DATASET_BYTES up to 64 MiB, which is the most that a job reads.",
)
UNSUPPORTED = Face(
    415,
    "unsupported_media_type",
    "This kind of body is not taken",
    "Send UTF-8 text as text/plain, JSONL as application/jsonl or application/x-ndjson, or CSV as "
    "text/csv, uncompressed. Parquet is read from local: files and from the hub.",
)
DISK_FULL = Face(
    507,
    "disk_full",
    "The service's disk is full",
    "Delete datasets and jobs that are no longer needed, or give the service more room.",
)
UNAUTHENTICATED = Face(
    401,
    "unauthenticated",
    "A key is needed",
    "Send Authorization: Bearer zpr_…. Whoever runs the service makes keys with `zpruner keys "
    "create NAME`, and the first one with `zpruner keys bootstrap NAME`.",
)
UNPROVEN = Face(
    401,
    "unproven_call",
    "The call did not prove itself",
    "Give the calling system the trigger's secret as its kind of source needs it, and let its "
    "clock be right; docs/triggers.md says how.",
)
MISSING_SCOPE = Face(403, "missing_scope", "The key may not do this")
LINK_REFUSED = Face(
    403,
    "link_refused",
    "The link opens nothing",
    "Use it exactly as it was given out, or ask for a new one: POST to /v1/artifacts/{id}/links.",
)
LINK_EXPIRED = Face(
    410,
    "link_expired",
    "The link has expired",
    "Ask for a new one: POST to /v1/artifacts/{id}/links.",
)
RATE_LIMITED = Face(
    429,
    "rate_limited",
    "Too many requests",
    "Wait for Retry-After, then ask less often; If-None-Match, event streams and lists save "
    "requests.",
    retryable=True,
)
NOT_BUILT = Face(
    503,
    "dashboard_not_built",
    "The dashboard is not built",
    "Run `make dashboard` in the checkout; it needs Node.js or PyPI, and the npm registry. "
    "Everything else works without it: see /docs.",
)
PLAIN = {
    400: Face(400, "bad_request", "Bad request"),
    404: Face(404, "not_found", "Not found", "/docs lists what there is."),
    405: Face(405, "method_not_allowed", "Method not allowed", "See the Allow header."),
    413: Face(413, "too_large", "The body is too large", "A job is a few hundred bytes of JSON."),
}
"""Plain HTTP statuses: their type is ``about:blank``."""

FACES: dict[str, Face] = {
    face.code: face for face in (*PROBLEMS.values(), *globals().values()) if isinstance(face, Face)
}
"""All of them but the plain ones, by their codes."""
