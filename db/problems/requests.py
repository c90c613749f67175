"""Problem kinds for faults of a request itself, whatever resource it names."""

from db.core.errors import StaleVersionError
from db.problems.kind import KindGroup

GROUP = KindGroup()

INVALID_REQUEST = GROUP.add(
    "invalid_request",
    422,
    "The request is not valid",
    "A field or parameter is unknown, missing or out of its bounds; errors[] names each with its "
    "value and what to change.",
)
MALFORMED_JSON = GROUP.add(
    "malformed_json",
    400,
    "The body is not JSON",
    "The body could not be parsed as JSON in UTF-8.",
    "Send one JSON object in UTF-8.",
)
DUPLICATE_KEY = GROUP.add(
    "duplicate_key",
    400,
    "The body has a name twice",
    "An object of the body has the same name twice, so it is not clear which value is meant.",
    "Leave one of them out.",
)
NOT_FOUND = GROUP.add(
    "not_found",
    404,
    "Not found",
    "The service has no such path. Paths of the API begin with /v1/, and the address of the "
    "service, as in ZPRUNER_URL, ends before that.",
    "/docs lists all routes.",
)
TOO_LARGE = GROUP.add(
    "too_large",
    413,
    "The body is too large",
    "The body has more bytes or more fields than the service accepts; the detail names the limit. "
    "An operator can raise the number of bytes with ZPRUNER_MAX_BODY_BYTES.",
    "A job is a few hundred bytes of JSON. Texts are uploaded as datasets: POST /v1/datasets.",
)
IDEMPOTENCY_CONFLICT = GROUP.add(
    "idempotency_conflict",
    422,
    "The idempotency key belongs to another request",
    "An earlier request used this Idempotency-Key with another body or another path. Nothing was "
    "done.",
    "Use a new key for every request; send the same key again only to repeat the same request.",
)
RANGE_NOT_SATISFIABLE = GROUP.add(
    "range_not_satisfiable",
    416,
    "The range is outside the file",
    "The Range header asks for bytes after the end of the file.",
    "Ask for bytes within the file's size.",
)
STALE_VERSION = GROUP.add(
    "stale_version",
    412,
    "The job has changed",
    "If-Match named an older version of the job. Nothing was done.",
    "GET the job again, decide on its present state, and send its new ETag in If-Match.",
    error=StaleVersionError,
)
PRECONDITION_FAILED = GROUP.add(
    "precondition_failed",
    412,
    "Another version is present",
    "If-Match named another version of the resource. Nothing was done.",
    "GET it again for its present ETag.",
)
DATASET_TOO_LARGE = GROUP.add(
    "dataset_too_large",
    413,
    "The dataset is too large",
    "The body is larger than a dataset may be. Nothing was kept.",
    "Upload a part of it: calibration takes 128 windows. An operator can raise "
    "ZPRUNER_MAX_DATASET_BYTES up to 64 MiB, the most that a job reads.",
)
UNSUPPORTED_MEDIA_TYPE = GROUP.add(
    "unsupported_media_type",
    415,
    "Unsupported media type",
    "This route does not accept the request's Content-Type or Content-Encoding.",
    "Send UTF-8 text as text/plain, JSONL as application/jsonl or application/x-ndjson, or CSV as "
    "text/csv, uncompressed. Parquet is read from local: files and from the hub.",
)
CROSS_ORIGIN = GROUP.add(
    "cross_origin",
    403,
    "A page of another origin may not change anything",
    "A web page of another origin tried to change something.",
    "Call the API from its own origin. A proxy in front of it has to pass Host on unchanged.",
)
HOST_NOT_ALLOWED = GROUP.add(
    "host_not_allowed",
    421,
    "The Host header is not allowed",
    "The Host header names neither loopback, nor the address that the request arrived at, nor a "
    "name in ZPRUNER_ALLOWED_HOSTS. Without this check a web page could make its own name resolve "
    "to the service and use the service from a visitor's browser.",
    "Call the service by localhost or by the address it listens on, or add the host to "
    "ZPRUNER_ALLOWED_HOSTS (names separated by commas) and restart the API.",
)
