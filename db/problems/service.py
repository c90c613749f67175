"""Problem kinds for failures of the service itself, or of the machine it runs on."""

from db.problems.kind import KindGroup

GROUP = KindGroup()

NOT_READY = GROUP.add(
    "not_ready",
    503,
    "The service is not ready",
    "The database, the artifact store, the control process, the broker or every worker does not "
    "respond; the detail says which.",
    retryable=True,
)
BUSY = GROUP.add(
    "busy",
    503,
    "Too many changes are being written",
    "Other requests that change something occupy all threads for writing, most often because "
    "another process holds the database. Reading requests are not affected.",
    "Nothing was done: try again after Retry-After. If it lasts, find the process that holds the "
    "database.",
    retryable=True,
)
DATABASE_UNAVAILABLE = GROUP.add(
    "database_unavailable",
    503,
    "The database does not respond",
    "The database could not be reached, or took too long. If the connection was lost in the middle "
    "of a change, the change may have been made. Workers keep their jobs and wait.",
    "Try again after Retry-After: most often the database is being restarted. A change may have "
    "been made: check it, or repeat the request with its Idempotency-Key.",
    retryable=True,
)
STORAGE_UNAVAILABLE = GROUP.add(
    "storage_unavailable",
    503,
    "The storage of files does not respond",
    "The bucket in which the service stores its files could not be used: it does not respond, or "
    "refuses the service's credentials. A job is attempted six times before it fails for this "
    "reason; its finished blocks are kept.",
    "Try again after Retry-After. The operator finds the reason with `zpruner doctor`, and in the "
    "service's log.",
    retryable=True,
)
SERVER_ERROR = GROUP.add(
    "server_error",
    500,
    "The service failed",
    "A request failed for an unexpected reason: a bug, or a broken part of the machine. The "
    "service's log holds the traceback.",
    "The service's log holds the traceback under this request_id.",
)
DISK_FULL = GROUP.add(
    "disk_full",
    507,
    "The disk is full",
    "The service's disk is full. A job is attempted six times before it fails for this reason. "
    "Nothing partial was kept.",
    "Free space in the data folder, or delete datasets and jobs that are no longer needed: a job "
    "needs about 2.2 times its model's size.",
)
DASHBOARD_NOT_BUILT = GROUP.add(
    "dashboard_not_built",
    503,
    "The dashboard is not built",
    "This checkout or package does not contain the built dashboard.",
    "Run `make dashboard` in the checkout; it needs Node.js or PyPI, and the npm registry. "
    "Everything else works without it: see /docs.",
)
