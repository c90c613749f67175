"""The schema of a model that a job can name."""

from typing import Literal

from pydantic import BaseModel, Field


class ModelRead(BaseModel):
    """A model that the service knows without a request to the hub."""

    model: str = Field(description="The value of a job's `model`.")
    kind: Literal["local", "used"] = Field(
        description="`local`: in a folder that jobs may read; `used`: by one of the newest jobs."
    )
