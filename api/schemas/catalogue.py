"""Schemas of the methods, presets, metrics and models that a job can name."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from api.schemas.pages import Page


class MethodRead(BaseModel):
    """One method, solver or allocation; ``options`` is the JSON Schema of a job that uses it.

    ``fields`` lists the fields of a job that accept the name. Some names are accepted as ``method``
    and as ``solver``. As ``method``, they choose the mask and update the kept weights. As
    ``solver``, they only update the weights that a score has kept.
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
    """A named combination of values for a job's fields."""

    name: str
    fields: dict[str, Any] = Field(description="The fields that it sets, unless the job does.")
    recommended: bool = Field(description="Whether it is the one to begin with.")
    left_out: dict[str, dict[str, list[str]]] = Field(
        description="Those of them that it does not set beside other fields, with the values of "
        "these; without values it is any."
    )


class MethodPage(Page[MethodRead]):
    """The methods, solvers, allocations, presets and metrics that a job can name."""

    presets: list[PresetRead] = Field(description="From the cheapest to the best.")
    metrics: list[str] = Field(description="The metrics that a `gate` can bound.")


class ModelRead(BaseModel):
    """A model that the service knows without a request to the hub."""

    model: str = Field(description="The value of a job's `model`.")
    kind: Literal["local", "used"] = Field(
        description="`local`: in a folder that jobs may read; `used`: by one of the newest jobs."
    )
