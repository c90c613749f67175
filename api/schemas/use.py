"""Schemas of what the jobs of a period used."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Moment
from db.jobs.use import PeriodUse, Use

Name = TypeVar("Name")

WEEK = timedelta(days=7)
MOST_ROWS = 500
"""Of the labels, each job may have another one."""


class UseQuery(BaseModel):
    """The period of which the use is returned."""

    model_config = ConfigDict(extra="forbid")

    after: Moment | None = Field(
        default=None, description="Its begin; by default seven days before its end."
    )
    before: Moment | None = Field(default=None, description="Its end; by default now.")

    def period(self, present: datetime) -> tuple[datetime, datetime]:
        """Return begin and end; a period that ends before it begins is empty."""
        until = self.before or present
        return self.after or until - WEEK, until


class UseRow(BaseModel):
    """Numbers of jobs, and the time for which workers held them."""

    name: str = Field(
        description="The method, the id of the key, or the label as `name=value`; empty for jobs "
        "without a key, and for all jobs."
    )
    jobs: int = Field(description="How many a worker held, or ended, in the period.")
    succeeded: int = Field(description="How many of them succeeded in the period.")
    failed: int = Field(description="How many of them failed in the period.")
    worker_hours: float = Field(description="For how long workers held them in the period.")

    @classmethod
    def of(cls, name: str, use: Use) -> Self:
        hours = round(use.held / timedelta(hours=1), 4)
        return cls(
            name=name,
            jobs=use.jobs,
            succeeded=use.succeeded,
            failed=use.failed,
            worker_hours=hours,
        )


class PeriodUseRead(BaseModel):
    """What the jobs of a period used. Each list begins with the most worker hours.

    Deleted jobs are missing, and so are the hours before events that are no longer kept.
    """

    after: datetime
    before: datetime
    total: UseRow
    methods: list[UseRow]
    keys: list[UseRow] = Field(description="By the key with which the jobs were submitted.")
    labels: list[UseRow] = Field(
        description=f"A job counts for each of its labels. At most {MOST_ROWS}."
    )

    @classmethod
    def of(cls, use: PeriodUse, after: datetime, before: datetime) -> Self:
        return cls(
            after=after,
            before=before,
            total=UseRow.of("", use.total),
            methods=_rows(use.methods, str),
            keys=_rows(use.keys, lambda key: key or ""),
            labels=_rows(use.labels, "=".join),
        )


def _rows(uses: Mapping[Name, Use], written: Callable[[Name], str]) -> list[UseRow]:
    rows = [UseRow.of(written(name), use) for name, use in uses.items()]
    return sorted(rows, key=lambda row: (-row.worker_hours, -row.jobs, row.name))[:MOST_ROWS]
