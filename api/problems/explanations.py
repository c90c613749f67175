"""What each problem means, in the words of its page under ``/problems/{code}``."""

_REFUSED = "Refused before a worker was used, or by the worker as soon as it saw the files."

EXPLANATIONS: dict[str, str] = {
    # Requests.
    "job_not_found": "The id in the path names no job.",
    "artifact_not_found": "The id in the path names no artifact.",
    "artifact_damaged": "The file is missing, or its bytes are no longer those that the job made: "
    "its size or its sha256 has changed on the disk. None of it is served, in parts neither.",
    "worker_not_found": "The id in the path names no worker, or one that ended or was lost long "
    "ago. A worker that starts again has a new id.",
    "upload_not_found": "The id in the path names no dataset that was uploaded.",
    "dataset_in_use": "The dataset cannot be deleted while a job that has not ended needs it: the "
    "detail names such jobs.",
    "dataset_too_large": "The body has more bytes than a dataset may have, so nothing was kept.",
    "unsupported_media_type": "The Content-Type, or the Content-Encoding, is none that is taken "
    "here.",
    "sweep_not_found": "The id in the path names no sweep.",
    "estimate_overdue": "The planner did not answer in a minute; most often the hub is slow.",
    "estimate_not_found": "The id in the path names no estimate, or one of more than a day ago.",
    "invalid_state": "The job's status does not allow this step.",
    "stale_version": "If-Match named an older version of the job, so nothing was done.",
    "precondition_failed": "If-Match named another version of the resource, so nothing was done.",
    "no_artifacts": "The job has not succeeded, so there is nothing to download.",
    "lease_lost": "A worker spoke for a job that another attempt holds by now.",
    "invalid_request": "A field or parameter is unknown, missing or out of its bounds; "
    "errors[] names each with its value and what to change.",
    "idempotency_conflict": "The Idempotency-Key came with another body or to another address "
    "before, so nothing was done.",
    "malformed_json": "The body could not be read as JSON.",
    "range_not_satisfiable": "The Range header asks for bytes behind the end of the file.",
    "not_succeeded": "The job has no result: it failed, was cancelled or expired. detail and hint "
    "are the job's own.",
    "gate_failed": "The job succeeded, but a figure that its gate names is out of bounds or "
    "was not measured; errors[] names each.",
    "unfinished": "The job has no result yet.",
    "dashboard_not_built": "This checkout or package came without the built dashboard.",
    "not_ready": "The database, the broker or every worker does not answer.",
    "unauthenticated": "The request came without a key, or with one that opens nothing. Only a "
    "service on loopback that was not told otherwise answers without one.",
    "missing_scope": "The key was made for other things: the detail names the scope it lacks.",
    "link_refused": "The link to a file was changed on its way, its file is gone, or the key that "
    "it was made with is revoked or has expired.",
    "link_expired": "The link to a file opened it for a while, which is over.",
    "rate_limited": "The key, or without one the address, asks more often than it may: "
    "RateLimit-Policy in every answer says how often that is.",
    "key_not_found": "The id in the path names no key.",
    "key_revoked": "The key was revoked or has expired, so it cannot be given a new secret.",
    "quota_exceeded": "The key that the job counts for has as much as it may have: the detail "
    "names the quota, what is used of it and what is allowed.",
    "webhook_not_found": "The id in the path names no webhook.",
    "webhook_disabled": "Nothing is sent to this webhook: somebody disabled it, or its address "
    "answered 410 Gone. The detail says which.",
    "delivery_not_found": "The id in the path names no delivery of this webhook, or one that ended "
    "more than thirty days ago.",
    "trigger_not_found": "The id in the path names no trigger.",
    "trigger_key_ended": "The key that the trigger was made with is revoked or has expired, so "
    "there is nobody whom its jobs would count for.",
    "unproven_call": "The call of a trigger does not carry its secret, is not signed with it, was "
    "signed more than five minutes ago, or comes in the manner of another kind of source.",
    "unmapped": "A field of a trigger's job is filled from a place of the payload where this "
    "payload has nothing.",
    "address_refused": "A webhook must point to a public https address without credentials or a "
    "fragment; into private networks only where the operator allows them in "
    "ZPRUNER_WEBHOOK_NETWORKS.",
    "host_not_allowed": "The Host header names neither loopback, nor the address that the request "
    "arrived at, nor a name in ZPRUNER_ALLOWED_HOSTS. Without this check a web page could have its "
    "own name resolve to the service and use it from a visitor's browser.",
    "busy": "Other requests that change something take all the threads that may write, most often "
    "because another process holds the database. Reading goes on meanwhile.",
    "cross_origin": "A web page of another origin tried to change something.",
    "database_unavailable": "The database could not be reached, or took too long. What was to be "
    "changed may have been, if it went away just then. Workers wait for it with the jobs they "
    "hold.",
    "server_error": "A request failed for a reason nobody foresaw: a bug, or a broken part of the "
    "machine. The service's log holds the traceback.",
    # The specification.
    "spec_refused": _REFUSED,
    "unknown_queue": "No worker takes jobs from this queue, and it is not among those that the "
    "operator names in ZPRUNER_QUEUES.",
    "unfit_combination": "Two options of the job do not go together; the hint says which to leave "
    "out.",
    "unknown_figure": "The job's gate bounds a figure that no job measures, so it could only fail.",
    "same_points": "Two points of a sweep ask for the same job.",
    "invalid_name": "The name is no built-in, no Hugging Face id and no local: path.",
    "outside_roots": "The path leads out of the folders that jobs may read, which the operator "
    "names in ZPRUNER_MODEL_ROOTS and ZPRUNER_DATASET_ROOTS.",
    "deadline_passed": "The job had not ended by its deadline, or a request named a moment that "
    "has passed.",
    "revision_of_a_folder": "Only repositories on the hub have revisions.",
    "model_not_found": "The hub has no model of this name, or hides it without a token.",
    "dataset_not_found": "The hub has no dataset of this name, or hides it without a token; or "
    "no dataset of this id was uploaded.",
    "revision_not_found": "The model's repository has no such branch, tag or commit.",
    "unreadable_model": "The model's folder cannot be read.",
    "pickle_only": "The model's weights are pickle files, which can run code when they are read. "
    "Convert them to safetensors.",
    "no_weights": "There are no safetensors files.",
    "no_config": "There is no config.json, so the model cannot be built.",
    "unreadable_dataset": "The text is missing, is no UTF-8, is too large, or a row of it does not "
    "hold text, chat messages or input_ids where they are looked for.",
    "unknown_text_field": "The dataset's rows have no field, or column, of the name that "
    "text_field or eval_text_field gives; the detail names those there are.",
    "no_chat_template": "The dataset holds chat messages, and the model's tokenizer has no "
    "template to write them with.",
    "chat_template": "The model's chat template does not take the dataset's messages: their roles, "
    "or their order, are other than it expects.",
    "damaged_dataset": "The file of the uploaded dataset has changed on the disk since it was "
    "uploaded, so the job did not use it.",
    "dataset_config": "The dataset has several configurations, or not the one that was named.",
    "dataset_too_small": "The text does not fill the windows that were asked for.",
    "too_few_rows": "The dataset has fewer rows than samples were asked for.",
    "hub_unreachable": "The hub did not deliver, and no earlier copy is there. Try again later.",
    "hub_denied": "The hub wants a token that may read this repository.",
    "custom_code": "The model needs code from its repository, which is never run.",
    "quantized": "The weights are quantized; name the model they were made from.",
    "malformed_config": "A configuration file of the model is not what it should be.",
    "malformed_tokenizer": "The model's tokenizer cannot be loaded, or takes more memory or time "
    "than any real one.",
    "oversized_file": "A file beside the model's weights is larger than any real one of its kind, "
    "so nothing was downloaded.",
    "malformed_weights": "A weights file contradicts itself.",
    "truncated_weights": "A weights file ends early; fetch it again.",
    "missing_shard": "The weights' index names a file that is not there.",
    "missing_tensor": "The weights' index names a tensor that its file does not hold.",
    "oversized_header": "A weights file's header is larger than any real one.",
    "too_many_tensors": "The model has more tensors than are taken.",
    "no_tokenizer": "The model comes without a tokenizer that can be read.",
    "foreign_tokenizer": "The tokenizer makes ids that the model does not know.",
    "seq_len_too_long": "The model has fewer positions than the windows have tokens.",
    # Jobs that failed.
    "internal_error": "The worker failed for a reason nobody foresaw; its log holds the traceback.",
    "worker_lost": "The job's worker died three times, most often because memory ran out.",
    "rank_lost": "One of the processes that share the job was killed, most often because "
    "memory ran out.",
    "devices": "The worker is set to share jobs among more GPUs than its machine has.",
    "out_of_memory": "The job needs more memory than the worker has.",
    "disk_full": "The disk was full, at six attempts. Nothing partial was published.",
    "database_lost": "The worker could not reach the database, at six attempts.",
    "time_limit": "The job took longer than the worker allows.",
    "shape": "Tensors of the model do not have the shapes its config promises.",
    "unknown_method": "The worker does not know this pruning method.",
    "pattern": "The pattern does not fit the shapes of this model's layers.",
    "skip": "A glob of layers to leave alone matches no layer of the model, or all are matched.",
    "allocation": "There are not as many sparsities as blocks, or a block would get one outside "
    "[0, 1).",
    "unknown_solver": "The worker does not know this solver.",
    "solver_failed": "The calibration inputs of a layer are too few or too alike for a solver.",
    "unsupported_model": "The model is no decoder that the engine can take apart.",
    "checkpoint": "The model's files contradict each other or are damaged.",
    "no_room": "The job needs more memory than the worker may take; the detail names a change "
    "that fits.",
    "not_finite": "A tensor holds NaN or infinity, so the result would be worthless.",
}
