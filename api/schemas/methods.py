"""Pruning methods as they are described."""

from typing import Any

from pydantic import BaseModel


class MethodRead(BaseModel):
    """One pruning method; ``options`` is the JSON Schema of a job that uses it.

    ``fields`` are those of a job that may name it: a solver may choose the mask itself, as
    ``method``, or repair what a score has left, as ``solver``.
    """

    name: str
    fields: list[str]
    title: str
    summary: str
    source: str
    when_to_use: str
    cost: str
    options: dict[str, Any]
