"""Schemas of what the jobs of a period used."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Self, TypeVar

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from api.schemas.fields import Moment, RequestModel, rounded
from db.jobs.costs import month_of
from db.jobs.use import PeriodUse, Use

Name = TypeVar("Name")

WEEK = timedelta(days=7)
MOST_ROWS = 500
"""Of the labels, each job may have another one."""


class UseQuery(RequestModel):
    """The period of which the use is returned: whole days, in UTC."""

    after: Moment | None = Field(
        default=None, description="Its first day has this moment; by default it has seven days."
    )
    before: Moment | None = Field(
        default=None, description="Its last day ends at this moment or later; by default, today."
    )
    month: str | None = Field(
        default=None,
        pattern=r"^(19[7-9]\d|2\d{3})-(0[1-9]|1[0-2])$",
        description="A calendar month, in UTC, in place of `after` and `before`.",
        examples=["2026-11"],
    )

    @model_validator(mode="after")
    def _require_one_period(self) -> Self:
        if self.month is not None and (self.after or self.before):
            raise PydanticCustomError("one_period", "is given in two ways")
        return self

    def period(self, present: datetime) -> tuple[datetime, datetime]:
        """Return begin and end, each the begin of a day in UTC.

        A period that ends before it begins is empty.
        """
        if self.month is not None:
            return month_of(datetime.strptime(self.month, "%Y-%m").replace(tzinfo=UTC))
        end = self.before or present
        until = _day_of(end - timedelta.resolution) + timedelta(days=1)
        since = until - WEEK if self.after is None else _day_of(self.after)
        return since, since if self.after and self.after >= end else until


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
    worker_seconds: float = Field(
        description="The same to the microsecond: the sum over keys, or over methods, is that of "
        "all jobs."
    )
    cost: float | None = Field(
        description="What this time has cost, for the jobs with a price; null without one."
    )

    @classmethod
    def of(cls, name: str, use: Use) -> Self:
        hours = round(use.held / timedelta(hours=1), 4)
        return cls(
            name=name,
            jobs=use.jobs,
            succeeded=use.succeeded,
            failed=use.failed,
            worker_hours=hours,
            worker_seconds=use.held / timedelta(seconds=1),
            cost=None if use.cost is None else rounded(use.cost),
        )


class PeriodUseRead(BaseModel):
    """What the jobs of a period used. Each list begins with the most worker hours.

    A deleted job counts with its time and its cost, but has neither succeeded nor failed, and has
    no labels.
    """

    after: datetime = Field(description="The begin of its first day, in UTC.")
    before: datetime = Field(description="The end of its last day, in UTC.")
    currency: str | None = Field(
        description="Of all costs; null if no queue and no job has a price."
    )
    total: UseRow
    methods: list[UseRow]
    keys: list[UseRow] = Field(description="By the key with which the jobs were submitted.")
    labels: list[UseRow] = Field(
        description=f"A job counts for each of its labels. At most {MOST_ROWS}."
    )

    @classmethod
    def of(cls, use: PeriodUse, after: datetime, before: datetime, currency: str | None) -> Self:
        return cls(
            after=after,
            before=before,
            currency=" and ".join(sorted(use.currencies)) or currency,
            total=UseRow.of("", use.total),
            methods=_rows(use.methods, str),
            keys=_rows(use.keys, lambda key: key or ""),
            labels=_rows(use.labels, "=".join)[:MOST_ROWS],
        )


def _day_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _rows(uses: Mapping[Name, Use], written: Callable[[Name], str]) -> list[UseRow]:
    rows = [UseRow.of(written(name), use) for name, use in uses.items()]
    return sorted(rows, key=lambda row: (-row.worker_hours, -row.jobs, row.name))
