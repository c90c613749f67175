"""The groups of a job's options in the help, and the usual ones, which `--help` shows."""

USUAL = frozenset(
    {
        *("sparsity", "dataset", "preset", "method", "pattern", "recover", "quantize", "tasks"),
        *("gate_max", "output"),
    }
)
"""The options that most jobs need; `--help-all` shows all others, too."""

GROUPS = {
    "Model and texts": (
        *("dataset", "text_field", "keep_dataset", "keep_text_field", "revision", "model_secret"),
        *("samples", "seq_len", "seed", "dtype"),
    ),
    "Pruning": (
        *("sparsity", "preset", "method", "ratio", "pattern", "steps", "scope", "solver"),
        *("variant", "correction", "damping", "allocation", "uniform", "skip", "propagation"),
        *("selection", "search_steps", "search_start"),
    ),
    "Training": ("refine", "recover"),
    "Fewer bits": ("quantize", "rotate", "binarize"),
    "Evaluation": (
        *("eval_dataset", "eval_text_field", "eval_samples", "tasks", "task_limit", "generate"),
        *("prompts", "rank_answers", "benchmark"),
    ),
    "The job and its result": (
        *("gate_max", "gate_min", "gate_confidence", "output", "name", "label", "queue"),
        *("priority", "not_before", "deadline", "idempotency_key", "reuse"),
    ),
}
"""The fields of a job in each group; the members of a field are in the group of the field."""

GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}
