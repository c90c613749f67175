"""Datasets as they are listed and answered."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Label
from api.schemas.pages import Page
from db.spec.builtin_datasets import BuiltinDataset
from db.tables.datasets import Dataset


class UploadQuery(BaseModel):
    """The parameters of an upload."""

    model_config = ConfigDict(extra="forbid")

    name: Label | None = Field(default=None, description="What people call it.")


class BuiltinRead(BaseModel):
    """A dataset that every service knows."""

    kind: Literal["builtin"] = "builtin"
    dataset: str = Field(description="What a job says to use it.")
    name: str
    description: str
    joiner: str = Field(description="What stands between two of its documents.")

    @classmethod
    def of(cls, one: BuiltinDataset) -> Self:
        """Return the face of a built-in dataset."""
        return cls(dataset=one.name, name=one.name, description=one.description, joiner=one.joiner)


class DatasetRead(BaseModel):
    """A dataset that somebody uploaded."""

    kind: Literal["uploaded"] = "uploaded"
    id: str
    dataset: str = Field(description="What a job says to use it: `uploaded:` and the id.")
    name: str | None
    size_bytes: int
    sha256: str
    media_type: str = Field(description="`text/plain`, `application/jsonl` or `text/csv`.")
    created_at: datetime
    created_by: str | None = Field(description="The key it was first uploaded with, if any.")

    @classmethod
    def of(cls, row: Dataset) -> Self:
        """Return the face of a dataset's row."""
        plain = {name: getattr(row, name) for name in cls.model_fields.keys() - {"kind", "dataset"}}
        return cls(dataset=row.reference, **plain)


class DatasetPage(Page[Annotated[BuiltinRead | DatasetRead, Field(discriminator="kind")]]):
    """Part of a list of datasets."""
