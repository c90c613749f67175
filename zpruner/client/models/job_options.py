"""The options of a request for a job, and the orders of a list of jobs.

Written by ``python -m tools.job_fields``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

PresetName = Literal[
    "fast",
    "balanced",
    "best",
]
MethodName = Literal[
    "zpruner",
    "magnitude",
    "wanda",
    "ria",
    "gblm",
    "sparsegpt",
    "admm",
    "alps",
    "exact",
    "neurons",
    "heads",
    "depth",
    "adapt",
    "pgp",
    "experts",
    "none",
]
SelectionName = Literal[
    "energy",
    "ptl",
    "reap",
    "frequency",
]
Scope = Literal[
    "matrix",
    "row",
]
SolverName = Literal[
    "none",
    "sparsegpt",
    "admm",
    "alps",
    "exact",
    "dsnot",
]
Variant = Literal[
    "ss",
    "sm",
    "ms",
    "mm",
]
AllocationName = Literal[
    "uniform",
    "owl",
    "dlp",
    "matrix",
]
Propagation = Literal[
    "fused",
    "reference",
]
Dtype = Literal[
    "auto",
    "float32",
    "bfloat16",
    "float16",
]
Order = Literal[
    "-created",
    "created",
    "-reduction",
    "reduction",
    "perplexity",
    "-perplexity",
    "perplexity_ratio",
    "-perplexity_ratio",
    "-accuracy",
    "accuracy",
    "-speed",
    "speed",
    "weights_bytes",
    "-weights_bytes",
    "seconds",
    "-seconds",
    "size_bytes",
    "-size_bytes",
]


class JobOptions(TypedDict, total=False):
    """The fields of a request for a job besides its model, sparsity and dataset.

    docs/jobs.md describes them.
    """

    text_field: str | None
    revision: str | None
    model_secret: str | None
    preset: PresetName | None
    method: MethodName
    target: Mapping[str, Any] | str | None
    ratio: float | None
    uniform: bool
    search_steps: int | None
    search_start: str | None
    selection: SelectionName | None
    keep_dataset: str | None
    keep_text_field: str | None
    vocabulary: Mapping[str, Any] | str | None
    experts: int | None
    steps: int | None
    scope: Scope | None
    pattern: str | None
    solver: SolverName
    variant: Variant | None
    correction: float | None
    damping: float | None
    allocation: AllocationName | Mapping[str, Any] | Sequence[float]
    skip: Sequence[str]
    propagation: Propagation | None
    refine: Mapping[str, Any] | bool | None
    recover: Mapping[str, Any] | str | None
    quantize: Mapping[str, Any] | str | None
    rotate: str | None
    binarize: Mapping[str, Any] | bool | None
    samples: int | None
    seq_len: int | None
    seed: int
    dtype: Dtype
    mix: Sequence[Mapping[str, Any] | str]
    eval_dataset: str | None
    eval_text_field: str | None
    eval_texts: Sequence[str]
    eval_samples: int | None
    tasks: Sequence[str] | None
    task_limit: int | None
    generate: bool
    prompts: Sequence[str] | None
    rank_answers: Mapping[str, Any] | bool | None
    benchmark: bool
    expect: Mapping[str, Any] | None
    output: Sequence[Mapping[str, Any]]
    name: str | None
    labels: Mapping[str, Any]
    reuse: str
    queue: str
    priority: int
    gate: Mapping[str, Any] | None
    not_before: datetime | timedelta | str | None
    deadline: datetime | timedelta | str | None
    max_cost: float | None
    min_memory_gb: float | None
