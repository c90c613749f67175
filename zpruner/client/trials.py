"""Trials: prompts for the dense and the pruned model of a finished job."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from zpruner.client.job import wait_for_end
from zpruner.client.models.trials import Trial
from zpruner.client.resources import Resource
from zpruner.client.transport.modes import Mode, operation


class Trials(Resource[Mode]):
    """The trials of finished jobs."""

    @operation
    async def create(
        self,
        /,
        job_id: str,
        prompt: str,
        *,
        max_tokens: int | None = None,
        seed: int | None = None,
        idempotency_key: str | None = None,
    ) -> Trial:
        """Have both models of a finished job continue a prompt; return the queued trial.

        Args:
            job_id: the id of the finished job.
            prompt: the text to continue.
            max_tokens: the number of tokens after which a continuation ends; 64 by default.
            seed: the seed to draw the tokens with; None for the most likely tokens.
            idempotency_key: later calls with the same key create no second trial.

        Raises:
            ProblemError: the job has no files any longer (code ``artifact_deleted``), the dense
                model is gone, or the key has too many trials in the queue (``too_many_trials``).
        """
        given: dict[str, Any] = {"prompt": prompt, "max_tokens": max_tokens, "seed": seed}
        body = {name: value for name, value in given.items() if value is not None}
        key = idempotency_key or str(uuid4())
        response = await self._transport.submit(f"/v1/jobs/{job_id}/trials", body, key)
        return Trial.model_validate(response.json())

    @operation
    async def list(self, job_id: str, *, limit: int = 20) -> Sequence[Trial]:
        """Return at most ``limit`` trials of a job, newest first."""
        path, params = f"/v1/jobs/{job_id}/trials", {"limit": min(limit, 100)}
        rows = await self._transport.rows(path, params, limit)
        return [Trial.model_validate(row) for row in rows]

    @operation
    async def get(self, job_id: str, trial_id: str) -> Trial:
        """Return a trial of a job."""
        path = f"/v1/jobs/{job_id}/trials/{trial_id}"
        return Trial.model_validate(await self._transport.get(path))

    @operation
    async def wait(self, job_id: str, trial_id: str, *, timeout_s: float | None = None) -> Trial:
        """Wait until a trial has ended, and return it.

        Raises:
            TimeoutError: the trial has not ended after ``timeout_s`` seconds.
        """
        await wait_for_end(self._transport, trial_id, timeout_s, lambda _: None)
        path = f"/v1/jobs/{job_id}/trials/{trial_id}"
        return Trial.model_validate(await self._transport.get(path))
