"""Schemas of trials."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from api.schemas.fields import RequestModel
from api.schemas.pages import Page
from db.core.ids import id_pattern
from db.core.problem import Problem
from db.core.states import JobState
from db.tables.jobs import Job
from db.tables.trials import Trial


class TrialQuery(RequestModel):
    """The query parameters of the list of a job's trials."""

    limit: int = Field(default=20, ge=1, le=100, description="The largest number of items.")
    cursor: str | None = Field(
        default=None,
        pattern=f"^{id_pattern('job')}$",
        description="The `next_cursor` of the previous page.",
    )


class TrialAnswer(BaseModel):
    """The continuations of a prompt, without the prompt."""

    dense: str
    pruned: str

    @classmethod
    def of(cls, job: Job) -> Self | None:
        """Return the answer of a job that has succeeded; None if it has not.

        Also None if a worker of an earlier release, which knows no trials, ran the job.
        """
        given = job.result or {}
        return cls(**given) if given.keys() == cls.model_fields.keys() else None


class TrialRead(BaseModel):
    """A prompt that the dense and the pruned model of a finished job continue."""

    id: str = Field(description="The id of the job that answers it, which can be cancelled.")
    job_id: str = Field(description="The finished job.")
    prompt: str
    max_tokens: int
    seed: int | None
    status: JobState
    queue_position: int | None = Field(
        description="Its position in the queue, from 1; null if it does not wait."
    )
    answer: TrialAnswer | None = Field(description="Once it has succeeded.")
    error: Problem | None = Field(description="The reason, once it has failed.")
    created_by: str | None
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, trial: Trial, job: Job, position: int | None) -> Self:
        asked = {name: getattr(trial, name) for name in ("prompt", "max_tokens", "seed")}
        names = ("status", "error", "created_by", "created_at", "finished_at")
        return cls(
            id=job.id,
            job_id=trial.tried_id,
            queue_position=position,
            answer=TrialAnswer.of(job),
            **asked,
            **{name: getattr(job, name) for name in names},
        )


class TrialPage(Page[TrialRead]):
    """One page of the trials of a job, newest first."""
