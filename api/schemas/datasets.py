"""Datasets."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Label
from api.schemas.pages import Page
from db.spec.builtin_datasets import BuiltinDataset
from db.tables.datasets import Dataset


class UploadQuery(BaseModel):
    """The query of an upload."""

    model_config = ConfigDict(extra="forbid")

    name: Label | None = Field(default=None, description="A name for people.")


class BuiltinRead(BaseModel):
    """A built-in dataset."""

    kind: Literal["builtin"] = "builtin"
    dataset: str = Field(description="The value of a job's `dataset`.")
    name: str
    description: str
    joiner: str = Field(description="The text between two of its documents.")

    @classmethod
    def of(cls, one: BuiltinDataset) -> Self:
        return cls(dataset=one.name, name=one.name, description=one.description, joiner=one.joiner)


class DatasetRead(BaseModel):
    """An uploaded dataset."""

    kind: Literal["uploaded"] = "uploaded"
    id: str
    dataset: str = Field(description="The value of a job's `dataset`: `uploaded:` and the id.")
    name: str | None
    size_bytes: int
    sha256: str
    media_type: str = Field(description="`text/plain`, `application/jsonl` or `text/csv`.")
    created_at: datetime
    created_by: str | None = Field(description="The key with which it was first uploaded, if any.")

    @classmethod
    def of(cls, row: Dataset) -> Self:
        plain = {name: getattr(row, name) for name in cls.model_fields.keys() - {"kind", "dataset"}}
        return cls(dataset=row.reference, **plain)


class DatasetPage(Page[Annotated[BuiltinRead | DatasetRead, Field(discriminator="kind")]]):
    """One page of a list of datasets."""
