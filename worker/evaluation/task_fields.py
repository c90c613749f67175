"""The fields that a task file of one's own may have."""

import os
from collections.abc import Collection, Iterator
from typing import Any

import lm_eval.api.metrics  # noqa: F401 - it fills the registries
from lm_eval.api.registry import aggregation_registry, metric_registry

TEXTS = (
    *("task", "task_alias", "dataset_path", "dataset_name", "training_split", "validation_split"),
    *("test_split", "fewshot_split", "doc_to_text", "description", "output_type", "gen_prefix"),
    *("target_delimiter", "fewshot_delimiter", "doc_to_decontamination_query"),
)
"""Fields with a text."""
OTHERS = (
    *("doc_to_target", "doc_to_choice", "dataset_kwargs", "fewshot_config", "num_fewshot"),
    *("metric_list", "generation_kwargs", "repeats", "should_decontaminate", "metadata"),
    *("tag", "group", "group_alias", "task_list"),
)
FUNCTIONS = ("doc_to_text", "doc_to_target", "doc_to_choice", "process_docs", "process_results")
"""Fields that may be a function; the last two must be one."""
COUNTS = {"num_fewshot": 1000, "repeats": 100}
"""The largest value of each field with a number."""
FILE_FORMATS = ("json", "csv", "parquet", "text")
"""Values of ``dataset_path`` with which the data set is in the files of ``data_files``."""


class TaskError(ValueError):
    """A task does not exist, cannot be loaded, or cannot be scored."""


def check_fields(fields: dict[str, Any], functions: Collection[str] = ()) -> None:
    """Check that the harness will understand a task, and run no code for it but its functions.

    Args:
        fields: the fields of a task file, without its functions.
        functions: the names of the fields with a function.

    Raises:
        TaskError: a field is unknown or has a value that is not allowed.
    """
    for name in functions:
        if name not in FUNCTIONS:
            raise TaskError(f"its field {name!r:.80} is a function, which is not supported")
    for name, value in fields.items():
        if name not in (*TEXTS, *OTHERS):
            reason = "must be a !function" if name in FUNCTIONS else "is not supported"
            raise TaskError(f"it has the field {name!r:.80}, which {reason}")
        if name in TEXTS and not isinstance(value, str | None):
            raise TaskError(f"its field {name} is {value!r:.80}, not a text")
    for name, limit in COUNTS.items():
        count = fields.get(name)
        if count is not None and not (type(count) is int and 0 <= count <= limit):
            raise TaskError(f"its field {name} is {count!r:.80}, not a number up to {limit}")
    _check_data(fields)
    _check_metrics(fields.get("metric_list"))
    if (fields.get("fewshot_config") or {}) != {}:
        sampler = fields["fewshot_config"]
        if sampler not in ({"sampler": "default"}, {"sampler": "first_n"}):
            raise TaskError(f"its field fewshot_config is {sampler!r:.80}, not a known sampler")


def _check_data(fields: dict[str, Any]) -> None:
    path, options = fields.get("dataset_path"), fields.get("dataset_kwargs") or {}
    if not isinstance(path, str) or not isinstance(options, dict):
        raise TaskError("it has no dataset_path, or its dataset_kwargs are not fields")
    if options.keys() - {"data_files"}:
        unknown = sorted(map(str, options.keys() - {"data_files"}))[0]
        raise TaskError(f"its dataset_kwargs have {unknown!r:.80}; only data_files is supported")
    if path not in FILE_FORMATS and ("://" in path or path.startswith(".") or os.path.exists(path)):
        raise TaskError(f"its dataset_path {path!r:.80} is neither a format nor on the hub")
    files = list(_texts(options.get("data_files")))
    if path in FILE_FORMATS and not files:
        raise TaskError(f"its dataset_path is {path}, and its dataset_kwargs name no data_files")
    for file in files:
        if "://" in file or "\0" in file or not os.path.isfile(file):
            raise TaskError(f"there is no data file {file!r:.200}")


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value of ``data_files``: a path, or paths by split, or lists of them."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value
    elif value is not None:
        raise TaskError(f"its data_files have {value!r:.80}, which is not a path")


def _check_metrics(metrics: Any) -> None:
    """Check that the harness knows all metrics; it would run the code of any other from the hub."""
    if metrics is None:
        return
    for entry in metrics if isinstance(metrics, list) else [metrics]:
        metric = entry.get("metric") if isinstance(entry, dict) else None
        if not isinstance(metric, str) or metric not in metric_registry or "hf_evaluate" in entry:
            raise TaskError(f"its metric {metric!r:.80} is not one of the harness")
        aggregation = entry.get("aggregation", "mean")
        if not isinstance(aggregation, str) or aggregation not in aggregation_registry:
            raise TaskError(f"its aggregation {aggregation!r:.80} is not one of the harness")
