"""Problem kinds for jobs, files, datasets, sweeps, estimates, workers, webhooks and triggers."""

from db.core.errors import (
    AddressRefusedError,
    ArtifactDamagedError,
    ArtifactDeletedError,
    ArtifactNotFoundError,
    DatasetInUseError,
    DatasetNotFoundError,
    DeliveryNotFoundError,
    EstimateNotFoundError,
    IllegalTransitionError,
    JobNotFoundError,
    LeaseLostError,
    NoArtifactsError,
    NoTrialsError,
    ResultInUseError,
    SweepNotFoundError,
    TooManyTrialsError,
    TriggerKeyError,
    TriggerNotFoundError,
    WebhookDisabledError,
    WebhookNotFoundError,
    WorkerNotFoundError,
)
from db.problems.kind import KindGroup

GROUP = KindGroup()

# Jobs and their files.
JOB_NOT_FOUND = GROUP.add(
    "job_not_found",
    404,
    "No such job",
    "There is no job with the id in the path.",
    "GET /v1/jobs lists all jobs.",
    error=JobNotFoundError,
)
INVALID_STATE = GROUP.add(
    "invalid_state",
    409,
    "Not possible in this state",
    "The job's status does not allow this action; the hint lists those that it allows.",
    error=IllegalTransitionError,
)
RESULT_IN_USE = GROUP.add(
    "result_in_use",
    409,
    "Jobs need the result",
    "The job cannot be deleted while another job that has not ended starts from its result; the "
    "detail names up to three such jobs.",
    "Wait until they have ended, or cancel them.",
    error=ResultInUseError,
)
LEASE_LOST = GROUP.add(
    "lease_lost",
    409,
    "The attempt no longer holds the job",
    "A worker tried to write to a job that another attempt holds.",
    error=LeaseLostError,
)
UNFINISHED = GROUP.add(
    "unfinished",
    503,
    "The job has not ended",
    "The job has no result yet.",
    "Ask again after Retry-After.",
    retryable=True,
)
NOT_SUCCEEDED = GROUP.add(
    "not_succeeded",
    424,
    "The job did not succeed",
    "The job has no result: it failed, was cancelled or expired. detail and hint are the job's "
    "own.",
    "POST to its /retry for another attempt, or to its /rerun with changes.",
)
GATE_FAILED = GROUP.add(
    "gate_failed",
    424,
    "The job's metrics are out of bounds",
    "The job succeeded, but a metric that its gate bounds is out of bounds or was not measured; "
    "errors[] names each.",
    "GET the job for all of its metrics; POST to its /rerun with a lower sparsity, another method, "
    "or another gate.",
)
ARTIFACT_NOT_FOUND = GROUP.add(
    "artifact_not_found",
    404,
    "No such artifact",
    "There is no artifact with the id in the path.",
    "GET /v1/jobs/{id}/artifacts lists the files of a job.",
    error=ArtifactNotFoundError,
)
ARTIFACT_DAMAGED = GROUP.add(
    "artifact_damaged",
    410,
    "The file is damaged",
    "The file is missing, or its size or sha256 is no longer that of the file that the job wrote. "
    "No part of it is served.",
    "Rerun its job (POST to /v1/jobs/{id}/rerun): the same seed on the same machine gives the "
    "same bytes. Or restore the file from a backup; it is checked again then.",
    error=ArtifactDamagedError,
)
ARTIFACT_DELETED = GROUP.add(
    "artifact_deleted",
    410,
    "A retention rule deleted the file",
    "The operator's retention rules delete files of finished jobs; the detail names the rule and "
    "the time. The job, its metrics, its report.json and its provenance.json remain.",
    "Rerun its job (POST to /v1/jobs/{id}/rerun): the same seed on the same machine gives the "
    'same bytes. PATCH the new job with {"pinned": true}, and no rule deletes its files.',
    error=ArtifactDeletedError,
)
NO_ARTIFACTS = GROUP.add(
    "no_artifacts",
    409,
    "The job has no files",
    "The job has not succeeded, so there is nothing to download.",
    "Files exist once the job's status is succeeded.",
    error=NoArtifactsError,
)
NO_SUCH_FILE = GROUP.add(
    "no_such_file",
    404,
    "The job has no such file",
    "The job succeeded, but an older worker ran it, which did not write this file.",
    "GET /v1/jobs/{id}/artifacts lists the files of a job; POST to its /rerun for a job with all.",
)

TOO_MANY_TRIALS = GROUP.add(
    "too_many_trials",
    429,
    "The key has too many trials in the queue",
    "The caller's key has as many trials that have not ended as ZPRUNER_MAX_TRIALS allows.",
    "Wait until one has been answered, or cancel one: POST to its /v1/jobs/{id}/cancel.",
    retryable=True,
    error=TooManyTrialsError,
)
NO_TRIALS = GROUP.add(
    "no_trials",
    409,
    "The service takes no trials",
    "The operator has set ZPRUNER_MAX_TRIALS to 0, so that no prompt is tried.",
    "Download the model and try the prompt yourself; or ask the operator to raise "
    "ZPRUNER_MAX_TRIALS.",
    error=NoTrialsError,
)

# Datasets, sweeps, estimates, workers.
UPLOAD_NOT_FOUND = GROUP.add(
    "upload_not_found",
    404,
    "No such uploaded dataset",
    "There is no uploaded dataset with the id in the path.",
    "GET /v1/datasets lists all uploaded datasets.",
    error=DatasetNotFoundError,
)
DATASET_IN_USE = GROUP.add(
    "dataset_in_use",
    409,
    "Jobs need the dataset",
    "The dataset cannot be deleted while a job that has not ended needs it; the detail names such "
    "jobs.",
    "Wait until these jobs have ended, or cancel them.",
    error=DatasetInUseError,
)
SWEEP_NOT_FOUND = GROUP.add(
    "sweep_not_found",
    404,
    "No such sweep",
    "There is no sweep with the id in the path.",
    "GET /v1/sweeps lists all sweeps.",
    error=SweepNotFoundError,
)
ESTIMATE_NOT_FOUND = GROUP.add(
    "estimate_not_found",
    404,
    "No such estimate",
    "There is no estimate with the id in the path, or it is more than a day old.",
    "Estimates are kept for a day; POST to /v1/estimates for a new one.",
    error=EstimateNotFoundError,
)
ESTIMATE_OVERDUE = GROUP.add(
    "estimate_overdue",
    503,
    "The estimate took too long",
    "The planner did not finish within a minute: most often because the hub is slow or, for a "
    "model that is not on the hub, because the machine is busy.",
    "Most often the hub is slow: try again. The job itself can be submitted meanwhile.",
    retryable=True,
)
WORKER_NOT_FOUND = GROUP.add(
    "worker_not_found",
    404,
    "No such worker",
    "There is no worker with the id in the path, or it ended or was lost long ago. A worker that "
    "starts again has a new id.",
    "GET /v1/workers lists all workers.",
    error=WorkerNotFoundError,
)

# Webhooks and triggers.
WEBHOOK_NOT_FOUND = GROUP.add(
    "webhook_not_found",
    404,
    "No such webhook",
    "There is no webhook with the id in the path.",
    "GET /v1/webhooks lists all webhooks.",
    error=WebhookNotFoundError,
)
WEBHOOK_DISABLED = GROUP.add(
    "webhook_disabled",
    409,
    "The webhook is disabled",
    "Nothing is sent to this webhook: a caller disabled it, or its address responded with 410 "
    "Gone. The detail says which.",
    'PATCH it with {"enabled": true} first; deliveries that wait for it are sent then, too.',
    error=WebhookDisabledError,
)
DELIVERY_NOT_FOUND = GROUP.add(
    "delivery_not_found",
    404,
    "No such delivery",
    "The webhook has no delivery with the id in the path, or it ended more than thirty days ago.",
    "GET /v1/webhooks/{id}/deliveries lists those of a webhook; they are kept for 30 days.",
    error=DeliveryNotFoundError,
)
ADDRESS_REFUSED = GROUP.add(
    "address_refused",
    422,
    "The webhook's address is not allowed",
    "A webhook must point to a public https address without credentials or a fragment; addresses "
    "in private networks are allowed only where the operator names them in "
    "ZPRUNER_WEBHOOK_NETWORKS.",
    error=AddressRefusedError,
)
TRIGGER_NOT_FOUND = GROUP.add(
    "trigger_not_found",
    404,
    "No such trigger",
    "There is no trigger with the id in the path.",
    "GET /v1/triggers lists all triggers.",
    error=TriggerNotFoundError,
)
TRIGGER_KEY_ENDED = GROUP.add(
    "trigger_key_ended",
    409,
    "The trigger's key is not valid any longer",
    "The key that the trigger was created with is revoked or has expired, so its jobs cannot be "
    "counted against a key.",
    "Create the trigger again with a key that is neither revoked nor expired: its jobs count "
    "against that key.",
    error=TriggerKeyError,
)
