"""Problem kinds for outputs: refused targets, and results that could not be sent."""

from db.core.errors import OutputNotFoundError, OutputStateError
from db.problems.kind import KindGroup

GROUP = KindGroup()

OUTPUT_NOT_FOUND = GROUP.add(
    "output_not_found",
    404,
    "No such output",
    "The job has no output with the number in the path; the first one has the number 0. Outputs "
    "exist once the job has succeeded.",
    "GET /v1/jobs/{id}/outputs lists the outputs of a job.",
    error=OutputNotFoundError,
)
OUTPUT_STATE = GROUP.add(
    "output_state",
    409,
    "Not possible in the output's state",
    "Only an output that is waiting or running can be cancelled, and only one that failed, was "
    "cancelled or was skipped can be sent again.",
    error=OutputStateError,
)
OUTPUT_NOT_ALLOWED = GROUP.add(
    "output_not_allowed",
    422,
    "The operator does not allow the target",
    "Results are sent to the model hub of the service, and to buckets and MLflow servers below a "
    "URL that the operator lists in ZPRUNER_OUTPUT_URLS.",
)
SHARED_OUTPUT = GROUP.add(
    "shared_output",
    422,
    "The jobs of a sweep would share a repository",
    "Each job of a sweep would replace the files of the one before it in the same repository.",
)

# An output that failed. Its job has succeeded all the same.
DENIED = GROUP.add(
    "output_denied",
    403,
    "The target denied access",
    "The target responded that the secret's value is not valid, or does not permit writing.",
    "Store a value that may write there with `zpruner secrets set`, then send the output again.",
)
MISSING = GROUP.add(
    "output_target_missing",
    404,
    "The target does not exist",
    "The target responded that there is no such bucket, repository or path, or hides it.",
    "Create it, or correct the secret; then send the output again.",
)
TOO_LARGE = GROUP.add(
    "output_too_large",
    413,
    "A file is too large for the target",
    "The target refused a file or a request because of its size.",
    "Raise the limit of the target, or of the proxy before it; then send the output again.",
)
FULL = GROUP.add(
    "output_full",
    507,
    "The target is full",
    "The target has no space left for the files.",
    "Free space there, then send the output again: files that are there are not sent twice.",
)
REFUSED = GROUP.add(
    "output_refused",
    422,
    "The target refused the result",
    "The target refused a request; the detail has its response.",
)
UNREACHABLE = GROUP.add(
    "output_unreachable",
    503,
    "The target does not respond as it should",
    "The target could not be reached, took too long, broke the connection or failed. It is tried "
    "again with increasing delays, eight times in all.",
    "When the target is available again, send the output again: files that are already there are "
    "not sent twice.",
    retryable=True,
)
SECRET_FORMAT = GROUP.add(
    "output_secret_format",
    422,
    "The secret's value has another form",
    "The value of the secret does not have the form that this kind of target needs.",
    "Store it again with `zpruner secrets set`; docs/outputs.md describes the form.",
)
INTERRUPTED = GROUP.add(
    "output_interrupted",
    500,
    "The process that sent the result was lost",
    "The process that sent the result ended unexpectedly, eight times in all.",
    "Its log has the cause. Send the output again when it is removed.",
    retryable=True,
)
SEND_FAILED = GROUP.add(
    "output_failed",
    500,
    "The result could not be sent",
    "The process that sends results failed for an unexpected reason; its log holds the traceback.",
    "The log of the outputs process holds the traceback under this job's id.",
)
