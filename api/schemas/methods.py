"""Pruning methods, presets and metrics: what a job can name."""

from typing import Any

from pydantic import BaseModel, Field

from api.schemas.pages import Page


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


class PresetRead(BaseModel):
    """A named combination of a job's fields."""

    name: str
    fields: dict[str, Any] = Field(description="The fields that it sets, unless the job does.")
    not_with_pattern: list[str] = Field(
        description="Those of them that it does not set for a job with a `pattern`."
    )


class MethodPage(Page[MethodRead]):
    """The methods, and what else the form of a job offers."""

    presets: list[PresetRead] = Field(description="From the cheapest to the best.")
    metrics: list[str] = Field(description="The metrics that a `gate` can bound.")
