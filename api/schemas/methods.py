"""Pruning methods."""

from typing import Any

from pydantic import BaseModel


class MethodRead(BaseModel):
    """One pruning method; ``options`` is the JSON Schema of a job that uses it.

    ``fields`` are the fields of a job that accept it: a solver can choose the mask itself, as
    ``method``, or update the weights that a score has kept, as ``solver``.
    """

    name: str
    fields: list[str]
    title: str
    summary: str
    source: str | None
    when_to_use: str
    cost: str
    options: dict[str, Any]
