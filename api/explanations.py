"""What each problem means, in the words of its page under ``/problems/{code}``."""

from api.preconditions import FAILED
from api.problems import (
    BAD_RANGE,
    CROSS_ORIGIN,
    INTERNAL,
    INVALID,
    MALFORMED,
    NOT_LOCAL,
    NOT_READY,
    PROBLEMS,
    Face,
)

_REFUSED = "Refused before a worker was used, or by the worker as soon as it saw the files."

EXPLANATIONS: dict[str, str] = {
    # Requests.
    "job_not_found": "The id in the path names no job.",
    "artifact_not_found": "The id in the path names no artifact, or its file is gone.",
    "invalid_state": "The job's status does not allow this step.",
    "stale_version": "If-Match named an older version of the job, so nothing was done.",
    "precondition_failed": "If-Match named another version of the resource, so nothing was done.",
    "no_artifacts": "The job has not succeeded, so there is nothing to download.",
    "lease_lost": "A worker spoke for a job that another attempt holds by now.",
    "invalid_request": "A field or parameter is unknown, missing or out of its bounds; "
    "errors[] names each with its value and what to change.",
    "malformed_json": "The body could not be read as JSON.",
    "range_not_satisfiable": "The Range header asks for bytes behind the end of the file.",
    "not_ready": "The database, the broker or every worker does not answer.",
    "not_local": "Without keys the service answers on loopback addresses only.",
    "cross_origin": "A web page of another origin tried to change something.",
    "internal_error": "Something failed that nobody foresaw. It is a bug or a broken part of the "
    "machine; the log holds the traceback.",
    # The specification.
    "spec_refused": _REFUSED,
    "invalid_name": "The name is no built-in, no Hugging Face id and no local: path.",
    "outside_roots": "The path leads out of the folders that jobs may read, which the operator "
    "names in ZPRUNER_MODEL_ROOTS and ZPRUNER_DATASET_ROOTS.",
    "revision_of_a_folder": "Only repositories on the hub have revisions.",
    "model_not_found": "The hub has no model of this name, or hides it without a token.",
    "dataset_not_found": "The hub has no dataset of this name, or hides it without a token.",
    "revision_not_found": "The model's repository has no such branch, tag or commit.",
    "unreadable_model": "The model's folder cannot be read.",
    "unreadable_dataset": "The text is missing, is no UTF-8, or a row of it is no JSON object with "
    "text or input_ids.",
    "pickle_only": "The model's weights are pickle files, which can run code when they are read. "
    "Convert them to safetensors.",
    "no_weights": "There are no safetensors files.",
    "no_config": "There is no config.json, so the model cannot be built.",
    # Jobs that failed.
    "worker_lost": "The job's worker died three times, most often because memory ran out.",
    "out_of_memory": "The job needs more memory than the worker has.",
    "disk_full": "The disk was full. Nothing partial was published.",
    "time_limit": "The job took longer than the worker allows.",
    "shape": "Tensors of the model do not have the shapes its config promises.",
    "unknown_method": "The worker does not know this pruning method.",
    "unsupported_model": "The model is no decoder that the engine can take apart.",
    "checkpoint": "The model's files contradict each other or are damaged.",
    "not_finite": "A tensor holds NaN or infinity, so the result would be worthless.",
}

FACES: dict[str, Face] = {
    face.code: face
    for face in (
        *PROBLEMS.values(),
        *(BAD_RANGE, CROSS_ORIGIN, FAILED, INTERNAL, INVALID, MALFORMED, NOT_LOCAL, NOT_READY),
    )
}
