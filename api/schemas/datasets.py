"""Schemas of datasets."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from api.schemas.fields import RequestModel, RowModel
from api.schemas.pages import Page
from db.core.label_types import Label
from db.core.states import JobState
from db.files.dataset_preview import Preview
from db.spec.datasets.builtin import BuiltinDataset
from db.tables.datasets import Dataset
from db.tables.jobs import Job

BYTES_PER_TOKEN = 4


class UploadQuery(RequestModel):
    """The query parameters of an upload."""

    name: Label | None = Field(default=None, description="A name for people.")


class BuiltinRead(BaseModel):
    """A built-in dataset."""

    kind: Literal["builtin"] = "builtin"
    dataset: str = Field(description="The value of a job's `dataset`.")
    name: str
    description: str
    joiner: str = Field(description="The text between two of its documents.")
    protocol: str | None = Field(
        description="The `eval_dataset` that measures perplexity on it as the literature does."
    )

    @classmethod
    def of(cls, one: BuiltinDataset) -> Self:
        plain = {name: getattr(one, name) for name in ("name", "description", "joiner", "protocol")}
        return cls(dataset=one.name, **plain)


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


class DatasetUser(RowModel):
    """A job that uses a dataset."""

    id: str
    name: str | None
    status: JobState
    created_at: datetime


class DatasetDetail(DatasetRead):
    """An uploaded dataset with its first lines and the newest jobs that use it."""

    lines: list[str] = Field(description="The first lines of its file, cut to 500 characters.")
    fields: list[str] = Field(
        description="The fields of its first row, one of which a job can name as `text_field`; "
        "empty for plain text."
    )
    approximate_tokens: int = Field(
        description="The number of tokens if each has four bytes; a model's tokenizer has more or "
        "fewer."
    )
    jobs: list[DatasetUser] = Field(
        description="The newest jobs that use it: up to 20 of the newest 5,000 jobs."
    )

    @classmethod
    def with_beginning(cls, row: Dataset, beginning: Preview, jobs: list[Job]) -> Self:
        return cls(
            **DatasetRead.of(row).model_dump(),
            lines=beginning.lines,
            fields=beginning.fields,
            approximate_tokens=row.size_bytes // BYTES_PER_TOKEN,
            jobs=[DatasetUser.model_validate(job) for job in jobs],
        )


class DatasetPage(Page[Annotated[BuiltinRead | DatasetRead, Field(discriminator="kind")]]):
    """One page of a list of datasets."""
