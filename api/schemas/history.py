"""Schemas of a job's history: attempts and their cost, phases, events, reports and log lines."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from api.schemas.fields import RowModel, rounded
from api.schemas.pages import Page
from db.core.problem import Problem
from db.core.states import JobState, Phase
from db.events.history import AttemptSpan
from db.spec.prices import Price
from db.tables.jobs import BlockReport, JobEvent
from db.tables.logs import LogLine


class AttemptRead(RowModel):
    """One run of a job by one worker."""

    number: int
    worker: str | None
    device: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: JobState | None = Field(description="The job's status when the attempt ended.")
    reason: str | None = Field(description="Why it ended, if `outcome` does not say so.")
    error: Problem | None


class Cost(BaseModel):
    """An amount of money."""

    amount: float
    currency: str
    hourly_price: float = Field(description="The price of an hour of a worker of the job's queue.")

    @classmethod
    def likely(cls, amount: float | None, price: Price | None) -> Self | None:
        if amount is None or price is None:
            return None
        return cls(amount=rounded(amount), currency=price.currency, hourly_price=price.hourly)

    @classmethod
    def so_far(
        cls, attempts: Iterable[AttemptSpan], price: Price | None, until: datetime
    ) -> Self | None:
        """Return what attempts have cost; one that has not ended counts until ``until``."""
        times = ((one.ended_at or max(until, one.started_at)) - one.started_at for one in attempts)
        seconds = sum(time.total_seconds() for time in times)
        return cls.likely(None if price is None else price.of(seconds), price)


class PhaseRead(RowModel):
    """One phase of an attempt."""

    attempt: int
    name: Phase
    started_at: datetime
    ended_at: datetime | None


class EventRead(RowModel):
    """One event of a job."""

    seq: int
    at: datetime
    kind: str
    status: JobState
    phase: Phase | None
    attempt: int
    data: dict[str, Any]

    @classmethod
    def of(cls, event: JobEvent) -> Self:
        return cls.model_validate(event)


class AnyEventRead(EventRead):
    """One event in the list of all jobs' events."""

    job_id: str
    position: int = Field(
        description="Its place in the order of all jobs' events; the value for `after`."
    )


class AnyEventPage(Page[AnyEventRead]):
    """One page of the events of all jobs."""

    pruned: int = Field(
        description="Up to this `position`, the phase and progress events of old jobs have been "
        "deleted; 0 if none have."
    )


class BlockRead(RowModel):
    """The report of one decoder block."""

    index: int
    name: str
    attempt: int
    data: dict[str, Any]

    @classmethod
    def of(cls, report: BlockReport) -> Self:
        return cls.model_validate(report)

    def without_layers(self) -> Self:
        omitted = ("layers", "quantized", "untouched", "experts")
        data = {k: v for k, v in self.data.items() if k not in omitted}
        return self.model_copy(update={"data": data})


class LogLineRead(BaseModel):
    """One log line; pass its ``id`` as ``after`` to list the lines after it."""

    id: str
    attempt: int
    seq: int
    at: datetime
    level: str
    logger: str
    message: str

    @classmethod
    def of(cls, line: LogLine) -> Self:
        names = ("attempt", "seq", "at", "level", "logger", "message")
        return cls(id=f"{line.attempt}.{line.seq}", **{name: getattr(line, name) for name in names})

    def text(self) -> str:
        """Return the line as plain text."""
        return f"{self.at:%Y-%m-%dT%H:%M:%S.%fZ} {self.level} {self.logger}: {self.message}\n"
