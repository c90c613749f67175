"""The fields of a request for a job."""

from collections.abc import Mapping
from typing import Any


def job_fields(
    model: str, sparsity: float | None, dataset: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a job request; ``sparsity`` and ``dataset`` are omitted if None."""
    fields = {"model": model, "sparsity": sparsity, "dataset": dataset}
    return {name: value for name, value in fields.items() if value is not None} | dict(options)
