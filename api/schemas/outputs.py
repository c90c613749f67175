"""Schemas of a job's outputs."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from db.core.problem import Problem
from db.outputs.repository import CANCELLABLE, RETRYABLE
from db.tables.outputs import Output, OutputState


class OutputProgress(BaseModel):
    """How much of the result the target has, as of the latest attempt."""

    bytes_sent: int
    bytes_total: int
    files_sent: int
    files_total: int

    @classmethod
    def of(cls, output: Output) -> Self:
        return cls(**{name: getattr(output, name) for name in cls.model_fields})


class OutputRead(BaseModel):
    """A target that a job's result is sent to."""

    index: int = Field(description="Its place in the job's `output`, from 0.")
    target: dict[str, Any] = Field(description="The target, as in the job's `output`.")
    state: OutputState
    progress: OutputProgress
    attempts: int
    next_attempt_at: datetime | None = Field(description="When it is sent, while it waits.")
    url: str | None = Field(description="The address of what was sent, once it has succeeded.")
    error: Problem | None = Field(
        description="The reason of the last failed attempt, or why nothing was sent."
    )
    finished_at: datetime | None
    actions: list[str] = Field(description="The actions that the state allows: cancel, retry.")

    @classmethod
    def of(cls, output: Output) -> Self:
        possible = {
            "cancel": output.state in CANCELLABLE,
            # A job that did not succeed has nothing to send.
            "retry": output.state in RETRYABLE and output.files_total > 0,
        }
        computed = {
            "progress": OutputProgress.of(output),
            "actions": [action for action, is_possible in possible.items() if is_possible],
        }
        own = {name: getattr(output, name) for name in cls.model_fields.keys() - computed.keys()}
        return cls(**own, **computed)
