"""Responses about trials."""

from datetime import datetime

from zpruner.client.models.jobs import Problem, ResponseModel


class TrialAnswer(ResponseModel):
    """The continuations of a prompt by the dense and by the pruned model."""

    dense: str
    pruned: str


class Trial(ResponseModel):
    """A prompt for the dense and the pruned model of a finished job.

    Attributes:
        id: the id of the job that answers it, which can be cancelled as any other.
        job_id: the id of the finished job.
        queue_position: its position in the queue, from 1; None if it does not wait.
        answer: None until it has succeeded.
    """

    id: str
    job_id: str
    prompt: str
    max_tokens: int
    seed: int | None = None
    status: str
    queue_position: int | None = None
    answer: TrialAnswer | None = None
    error: Problem | None = None
    created_by: str | None = None
    created_at: datetime
    finished_at: datetime | None = None
