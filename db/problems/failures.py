"""Problem kinds with which a job can fail after a worker has started it."""

from db.problems.kind import KindGroup

GROUP = KindGroup()
_MEMORY = "Lower samples or seq_len, or give the worker more memory."
_LOG = "The worker's log holds the traceback under this job's id."

INTERNAL_ERROR = GROUP.add(
    "internal_error",
    500,
    "The worker failed",
    "The worker failed for an unexpected reason; its log holds the traceback.",
    _LOG,
)
WORKER_LOST = GROUP.add(
    "worker_lost",
    500,
    "The worker was lost",
    "The job's worker ended unexpectedly three times, most often because memory ran out.",
    "Most often the machine ran out of memory: lower samples or seq_len, or give the worker more "
    "memory. Its log has the cause.",
    retryable=True,
)
RANK_LOST = GROUP.add(
    "rank_lost",
    500,
    "A process of the job was lost",
    "One of the processes that share the job was killed, most often because memory ran out.",
    _MEMORY,
)
DEVICES = GROUP.add(
    "devices",
    500,
    "The worker lacks devices",
    "The worker is configured to share jobs among more GPUs than its machine has.",
    "Lower ZPRUNER_DEVICES on the worker.",
)
SIGNING_KEY = GROUP.add(
    "signing_key",
    500,
    "The worker cannot sign",
    "The worker is configured to sign the provenance of jobs, but its key is missing or is not "
    "valid.",
    "Correct ZPRUNER_SIGNING_KEY_FILE on the worker (docs/provenance.md).",
)
OUT_OF_MEMORY = GROUP.add(
    "out_of_memory",
    500,
    "Out of memory",
    "The job needs more memory than the worker has.",
    _MEMORY,
)
DATABASE_LOST = GROUP.add(
    "database_lost",
    500,
    "The database did not respond",
    "The worker could not reach the database in six attempts.",
    _LOG,
)
TIME_LIMIT = GROUP.add(
    "time_limit",
    500,
    "The time limit was reached",
    "The job took longer than the worker allows.",
    "Lower samples, or raise ZPRUNER_JOB_TIMEOUT_S on the worker.",
)

# The pruning core refuses the model or the options, and its errors have the remedies.
UNPRUNABLE = GROUP.add(
    "unprunable",
    422,
    "The model cannot be pruned",
    "The model cannot be pruned as the job asks; the detail gives the reason.",
)
SHAPE = GROUP.add(
    "shape",
    422,
    "Tensor shapes do not match",
    "Tensors of the model do not have the shapes that its config gives.",
)
UNKNOWN_METHOD = GROUP.add(
    "unknown_method", 422, "No such method", "The worker does not know this pruning method."
)
PATTERN = GROUP.add(
    "pattern",
    422,
    "The pattern does not fit the model",
    "The pattern does not fit the shapes of this model's layers.",
)
SKIP = GROUP.add(
    "skip",
    422,
    "The skipped layers do not fit the model",
    "A glob in skip matches no layer of the model, or the globs match all layers.",
)
ALLOCATION = GROUP.add(
    "allocation",
    422,
    "The allocation does not fit the model",
    "The number of sparsities is not the number of blocks, or a block would get one outside "
    "[0, 1).",
)
RATIO = GROUP.add(
    "ratio",
    422,
    "The ratio does not fit the model",
    "Channels and blocks are removed as a whole, and no number of them is near the ratio; the "
    "detail names the nearest ratio that fits.",
)
TARGET = GROUP.add(
    "target",
    422,
    "The target does not fit the model",
    "The model is not larger, or no number of its units leaves so little; the detail names the "
    "nearest size that is possible.",
)
EXPERTS = GROUP.add(
    "experts",
    422,
    "The number of experts does not fit the model",
    "Each layer of the model has fewer experts, or a token needs more to choose its own from; the "
    "detail names the numbers that fit.",
)
SPARSITY = GROUP.add(
    "sparsity",
    422,
    "The sparsity removes nothing",
    "The sparsity is so low that its share of the weights that compete, of a row or of a matrix, "
    "rounds to none in the largest layer; the detail names the lowest sparsity that prunes.",
)
INCREMENTS = GROUP.add(
    "increments",
    422,
    "There are too many steps",
    "Each step of a gradual job has to prune at least one weight, unit or block; the detail names "
    "the most steps that fit.",
)
REFINEMENT = GROUP.add(
    "refinement",
    422,
    "The text is too short to refine with",
    "Refining takes at least eight calibration windows, an eighth of which it holds out.",
)
RECOVERY = GROUP.add(
    "recovery",
    422,
    "The recovery does not fit the job",
    "The kind of recovery does not allow the model, or needs a pattern that the job does not have.",
)
QUANTIZATION = GROUP.add(
    "quantization",
    422,
    "The quantisation does not fit the model",
    "A layer cannot be quantised, or its rows do not split into groups of the group size.",
)
BINARIZATION = GROUP.add(
    "binarization",
    422,
    "The binarisation does not fit the model",
    "A layer's rows do not split into groups of eight weights.",
)
ROTATION = GROUP.add(
    "rotation",
    422,
    "The model cannot be rotated",
    "Only models that are built like Llama can be rotated before they are quantised.",
)
SOLVER_FAILED = GROUP.add(
    "solver_failed",
    422,
    "The solver failed",
    "The calibration inputs of a layer are too few or too alike for a solver.",
)
UNSUPPORTED_MODEL = GROUP.add(
    "unsupported_model",
    422,
    "The model is not supported",
    "The model is not a decoder that can be pruned block by block.",
)
SMALLER_MODEL = GROUP.add(
    "smaller_model",
    422,
    "The smaller model is not the pruned one",
    "What was written without the removed units cannot be run, or computes something else than the "
    "model in which these units are zero.",
)
CHECKPOINT = GROUP.add(
    "checkpoint",
    422,
    "The checkpoint is damaged",
    "The model's files contradict each other or are damaged.",
)
NO_ROOM = GROUP.add(
    "no_room",
    422,
    "The job needs too much memory",
    "The job needs more memory than the worker may take; the detail names a change that fits.",
)
NOT_FINITE = GROUP.add(
    "not_finite",
    422,
    "A tensor is not finite",
    "A tensor holds NaN or infinity, so the result would be worthless.",
)
