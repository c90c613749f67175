"""Problem kinds for a job's request: its options, its deadline, and its datasets and models.

Most are found by the API, or by a worker when it reads the files. A `SpecRefusedError` carries its
code and remedy itself, so most codes have no constant here.
"""

from db.core.errors import SpecRefusedError
from db.problems.kind import KindGroup, ProblemKind

GROUP = KindGroup()


def _add(code: str, title: str, explanation: str) -> ProblemKind:
    return GROUP.add(code, 422, title, explanation)


GROUP.add(
    "spec_refused",
    422,
    "The specification cannot be used",
    "The API refused the specification before a worker was used, or a worker did after it had "
    "read the files.",
    error=SpecRefusedError,
)
DEADLINE_PASSED = GROUP.add(
    "deadline_passed",
    504,
    "The deadline has passed",
    "The job had not ended by its deadline, or a request gave a deadline in the past.",
    "Retry the job, which drops the deadline and continues after the last finished block, or rerun "
    "it with a later one.",
)
COST_EXCEEDED = GROUP.add(
    "cost_exceeded",
    402,
    "The job costs more than it may",
    "The job has cost more than its max_cost, or a request gave a max_cost below the job's likely "
    "cost.",
    "Raise the job's max_cost, then retry it, which continues after the last finished block.",
)

# Options.
_add(
    "unknown_queue",
    "No such queue",
    "No worker takes jobs from this queue, and the operator does not name it in ZPRUNER_QUEUES.",
)
_add(
    "unfit_combination",
    "Two options exclude each other",
    "Two options of the job cannot be combined; the hint says which one to leave out.",
)
_add(
    "unknown_figure",
    "No such metric",
    "The job's gate bounds a metric that the job will not have, so the gate could only fail.",
)
_add("same_points", "Two points are the same", "Two points of a sweep describe the same job.")
_add(
    "unmapped",
    "The payload lacks a value",
    "A field of a trigger's job is filled from a place in the payload, and this payload has no "
    "value there.",
)

# Expected inputs.
_add(
    "changed_input",
    "A pinned input has changed",
    "A file of the model, or a text, is not the one that the job expects. Nothing was pruned.",
)
_add(
    "changed_version",
    "A pinned version has changed",
    "The worker has another version of a package than the job expects. Nothing was pruned.",
)

# Names.
_add(
    "invalid_name",
    "The name is not valid",
    "The name is neither a built-in name, nor a Hugging Face id, nor a local: path, nor a location "
    "in a bucket.",
)
_add(
    "outside_roots",
    "The path is outside the allowed folders",
    "The path leads out of the folders that jobs may read. The operator names them in "
    "ZPRUNER_MODEL_ROOTS and ZPRUNER_DATASET_ROOTS.",
)
_add(
    "revision_of_a_folder",
    "A folder has no revisions",
    "Only repositories on the hub have revisions.",
)
_add(
    "model_not_found",
    "No such model",
    "The hub has no model of this name, or hides it from requests without a token; or the folder, "
    "or bucket, does not exist.",
)
_add(
    "dataset_not_found",
    "No such dataset",
    "The hub has no dataset of this name, or hides it from requests without a token; or no dataset "
    "with this id was uploaded; or there is no such file in the bucket.",
)
_add(
    "revision_not_found",
    "No such revision",
    "The model's repository has no such branch, tag or commit.",
)
HUB_UNREACHABLE = _add(
    "hub_unreachable",
    "The hub cannot be reached",
    "The hub did not deliver the files, and no earlier copy exists. Try again later.",
)
_add(
    "hub_denied",
    "The hub denied access",
    "The hub requires a token that may read this repository.",
)
_add(
    "input_not_allowed",
    "The operator does not let jobs read it",
    "Jobs read models and datasets from buckets below the locations that the operator lists in "
    "ZPRUNER_INPUT_URLS.",
)
BUCKET_UNREACHABLE = _add(
    "bucket_unreachable",
    "The bucket cannot be read",
    "The bucket's service did not deliver the files of the model or the text, or one of them was "
    "replaced meanwhile. Try again later.",
)
_add(
    "bucket_denied",
    "The bucket denied access",
    "The bucket's service refused the access key, or it does not permit listing and reading.",
)
_add(
    "secret_format",
    "The secret's value has another form",
    "A model in a bucket needs a secret of the form ACCESS_KEY_ID:SECRET_ACCESS_KEY.",
)

# Results of jobs.
_add(
    "result_not_found",
    "No such job",
    "The model is the result of a job (job: and its id), and there is no job with this id.",
)
_add(
    "result_unfinished",
    "The job has no result yet",
    "The model is the result of a job that has not ended.",
)
_add(
    "result_failed",
    "The job has no result",
    "The model is the result of a job that did not succeed, or whose metrics are out of the bounds "
    "of its gate.",
)
_add(
    "result_gone",
    "The job's result is gone",
    "The model is the result of a job whose files were deleted by a retention rule, are missing or "
    "are damaged.",
)
_add(
    "no_search",
    "The job's result has no search to start from",
    "The search of a pgp job can start from the end of another one's: the result of that job, or "
    "the folder, has no unit_probabilities.json, or it is not what a search writes.",
)
_add(
    "other_model",
    "The earlier search was that of another model",
    "A search can start from that of an earlier job only if both have the same config.json and the "
    "same units.",
)

# Datasets.
_add(
    "unreadable_dataset",
    "The dataset cannot be read",
    "The text is missing, is not UTF-8, is too large, or a row of it does not hold text, chat "
    "messages or input_ids in the expected field; or, in a dataset that is a task, a row is not a "
    "question with its choices and answer.",
)
_add(
    "unknown_text_field",
    "The dataset has no such field",
    "The dataset's rows have no field, or column, of the name in text_field, "
    "keep_text_field or eval_text_field; the detail names the existing ones.",
)
_add(
    "no_chat_template",
    "The model has no chat template",
    "The dataset holds chat messages, and the model's tokenizer has no template to format them.",
)
_add(
    "chat_template",
    "The chat template cannot render the messages",
    "The model's chat template does not accept the dataset's messages: their roles, or the order "
    "of the roles, are not those that it expects. Or it takes more time, memory or text than a "
    "template may.",
)
_add(
    "damaged_dataset",
    "The uploaded dataset is damaged",
    "The file of the uploaded dataset has changed on the disk since it was uploaded, so the job "
    "did not use it.",
)
_add(
    "dataset_config",
    "The dataset needs a configuration",
    "The dataset has several configurations and none was named, or it has no configuration of "
    "this name.",
)
_add(
    "dataset_too_small",
    "The dataset is too small",
    "The text does not fill the requested number of windows.",
)
_add(
    "too_few_rows",
    "The dataset has too few rows",
    "The dataset has fewer rows than the job asks samples.",
)

# Models.
_add("unreadable_model", "The model cannot be read", "The model's folder cannot be read.")
_add(
    "pickle_only",
    "The weights are pickle files",
    "The model's weights are pickle files, which can run code when they are loaded. Convert them "
    "to safetensors.",
)
_add("no_weights", "The model has no weights", "The model has no safetensors files.")
_add(
    "no_config",
    "The model has no config.json",
    "The model has no config.json, so it cannot be built.",
)
_add(
    "custom_code",
    "The model needs custom code",
    "The model needs code from its repository, which is never run.",
)
_add(
    "quantized",
    "The weights are quantized",
    "The weights are quantized; name the model that they were made from.",
)
_add(
    "malformed_config",
    "A configuration file is malformed",
    "A configuration file of the model does not have the expected content.",
)
_add(
    "malformed_tokenizer",
    "The tokenizer is malformed",
    "The model's tokenizer cannot be loaded, or takes more memory or time than any real one.",
)
_add(
    "unusable_task",
    "A zero-shot task cannot be run",
    "The task does not exist, its data set cannot be loaded, or it generates text; or the worker "
    "lacks the LM Evaluation Harness. Nothing was pruned.",
)
_add(
    "oversized_file",
    "A file of the model is too large",
    "A file beside the model's weights is larger than any real one of its kind. Nothing was "
    "downloaded.",
)
_add("malformed_weights", "A weights file is malformed", "A weights file contradicts itself.")
_add(
    "truncated_weights",
    "A weights file is truncated",
    "A weights file ends early; download it again.",
)
_add(
    "missing_shard",
    "A weights file is missing",
    "The index of the weights names a file that does not exist.",
)
_add(
    "missing_tensor",
    "A tensor is missing",
    "The index of the weights names a tensor that its file does not hold.",
)
_add(
    "oversized_header",
    "The header of a weights file is too large",
    "The header of a weights file is larger than any real one.",
)
_add(
    "too_many_tensors",
    "The model has too many tensors",
    "The model has more tensors than the service accepts.",
)
_add(
    "no_tokenizer",
    "The model has no tokenizer",
    "The model has no tokenizer that can be read.",
)
_add(
    "foreign_tokenizer",
    "The tokenizer does not fit the model",
    "The tokenizer produces ids that the model does not know.",
)
_add(
    "seq_len_too_long",
    "The windows are too long",
    "The model has fewer positions than the windows have tokens.",
)
_add(
    "tried_files_deleted",
    "The files of the tried job were deleted",
    "The trial was accepted while the finished job had its files, and they were deleted before a "
    "worker could open them.",
)
