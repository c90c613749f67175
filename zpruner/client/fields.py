"""The fields of a request for a job."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from zpruner.client.models.jobs import JobFields

Model = str | JobFields
"""A model's name, or the finished job whose result is the model."""


def job_fields(
    model: Model, sparsity: float | None, dataset: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fields of a job request; ``sparsity`` and ``dataset`` are omitted if None."""
    fields = {"model": model_name(model), "sparsity": sparsity, "dataset": dataset}
    given = {name: value for name, value in fields.items() if value is not None}
    return given | {name: _written(value) for name, value in options.items()}


def model_name(model: Model) -> str:
    """Return the name of a model in a request."""
    return model if isinstance(model, str) else f"job:{model.id}"


def _written(value: Any) -> Any:
    """Return a value as JSON has it; a datetime must have a time zone."""
    if isinstance(value, timedelta):
        return f"{value // timedelta(seconds=1)}s"
    return value.isoformat() if isinstance(value, datetime) else value
