"""What happened to a job: events, attempts, phases, blocks."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.pages import Page
from db.core.problem import Problem
from db.core.states import JobState, Phase
from db.tables.jobs import BlockReport, JobEvent


class AttemptRead(BaseModel):
    """One worker's time with a job."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    worker: str | None
    device: str | None
    started_at: datetime
    ended_at: datetime | None
    outcome: JobState | None = Field(description="The job's status when the attempt ended.")
    reason: str | None = Field(description="Why it ended, where the status does not say.")
    error: Problem | None


class PhaseRead(BaseModel):
    """What an attempt was busy with, and when."""

    model_config = ConfigDict(from_attributes=True)

    attempt: int
    name: Phase
    started_at: datetime
    ended_at: datetime | None


class EventRead(BaseModel):
    """One thing that happened to a job."""

    model_config = ConfigDict(from_attributes=True)

    seq: int
    at: datetime
    kind: str
    status: JobState
    phase: Phase | None
    attempt: int
    data: dict[str, Any]

    @classmethod
    def of(cls, event: JobEvent) -> Self:
        """Return the face of an event's row."""
        return cls.model_validate(event)


class AnyEventRead(EventRead):
    """One thing that happened to some job."""

    job_id: str
    position: int = Field(description="Its place among the events of all jobs: ask `after` it.")


class AnyEventPage(Page[AnyEventRead]):
    """Part of the list of what happened to all jobs."""

    pruned: int = Field(
        description="Up to this `position` phases and progress of jobs that ended long ago are no "
        "longer kept; 0 where nothing was deleted."
    )


class BlockRead(BaseModel):
    """What the engine measured on one decoder block."""

    model_config = ConfigDict(from_attributes=True)

    index: int
    name: str
    attempt: int
    data: dict[str, Any]

    @classmethod
    def of(cls, report: BlockReport) -> Self:
        """Return the face of a report's row."""
        return cls.model_validate(report)

    def brief(self) -> Self:
        """Return the report without its layers."""
        data = {k: v for k, v in self.data.items() if k not in ("layers", "untouched")}
        return self.model_copy(update={"data": data})
