"""The fields of a request for a job."""

import json
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
    given |= {name: _written(value) for name, value in options.items()}
    for name, value in given.items():
        _check_json(name, value)
    return given


def model_name(model: Model) -> str:
    """Return the name of a model in a request."""
    if isinstance(model, JobFields):
        return f"job:{model.id}"
    if not isinstance(model, str):
        form = "write it as a text, such as local:folder, or pass a finished job"
        raise TypeError(f"model {model!r} is no name of a model: {form}")
    return model


def _check_json(name: str, value: object) -> None:
    """Check that a value can be sent; the error names the field.

    Raises:
        TypeError: JSON has no such values; for a set, pass a list.
        ValueError: it contains NaN or an infinite number.
    """
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} {value!r} cannot be sent as JSON: {error}") from None


def _written(value: Any) -> Any:
    """Return a value as JSON has it; a datetime must have a time zone."""
    if isinstance(value, timedelta):
        return f"{value // timedelta(seconds=1)}s"
    return value.isoformat() if isinstance(value, datetime) else value
