"""The sweeps of a service."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack
from uuid import uuid4

from zpruner.client.fields import Model, job_fields
from zpruner.client.models.job_options import JobOptions
from zpruner.client.models.planning import Sweep, SweepPreview
from zpruner.client.resources import Resource
from zpruner.client.transport.errors import ServiceError
from zpruner.client.transport.modes import Mode, operation
from zpruner.client.transport.outage import Outage

POLL_S = 1.0


class SweepOptions(JobOptions, total=False):
    """The fields that all jobs of a sweep share, and how many of the jobs may run at once."""

    sparsity: float | None
    max_parallel: int | None


class Sweeps(Resource[Mode]):
    """The sweeps of a service: many jobs of one model, submitted in one request."""

    @operation
    async def create(
        self,
        /,
        model: Model,
        dataset: str,
        *,
        grid: Mapping[str, Sequence[Any]] | None = None,
        jobs: Sequence[Mapping[str, Any]] | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[SweepOptions],
    ) -> Sweep:
        """Submit a job for each combination of the grid's values, or for each entry of ``jobs``.

        Args:
            model, dataset: the model and the dataset of all jobs, as in ``jobs.create``.
            grid: for each varied field, the list of its values.
            jobs: for each job, the varied fields with their values; pass either this or ``grid``.
            idempotency_key: a key of your own; later calls with the same key create no second
                sweep.
            options: further fields that all jobs share, such as ``gate``; ``name`` and ``labels``,
                which the sweep gets as well; and ``max_parallel``.
        """
        body = _body(model, dataset, grid, jobs, options)
        key = idempotency_key or str(uuid4())
        response = await self._transport.submit("/v1/sweeps", body, key)
        return Sweep.model_validate(response.json())

    @operation
    async def preview(
        self,
        /,
        model: Model,
        dataset: str,
        *,
        grid: Mapping[str, Sequence[Any]] | None = None,
        jobs: Sequence[Mapping[str, Any]] | None = None,
        **options: Unpack[SweepOptions],
    ) -> SweepPreview:
        """Validate a sweep as ``create`` does, and return its points; create nothing."""
        body = _body(model, dataset, grid, jobs, options)
        params = {"dry_run": True}
        response = await self._transport.request_json(
            "POST", "/v1/sweeps", json=body, params=params
        )
        return SweepPreview.model_validate(response)

    @operation
    async def get(self, sweep_id: str) -> Sweep:
        """Return a sweep with its points."""
        return await self._sweep(sweep_id)

    @operation
    async def list(self, *, limit: int | None = None) -> Sequence[Sweep]:
        """Return all sweeps, or at most ``limit``, newest first, without their points."""
        rows = await self._transport.rows("/v1/sweeps", {"limit": min(limit or 100, 100)}, limit)
        return [Sweep.model_validate(row) for row in rows]

    @operation
    async def cancel(self, sweep_id: str) -> Sweep:
        """Cancel all jobs of a sweep that have not ended; repeating this changes nothing."""
        return Sweep.model_validate(
            await self._transport.request_json("POST", f"/v1/sweeps/{sweep_id}/cancel")
        )

    @operation
    async def wait(
        self,
        sweep_id: str,
        *,
        timeout_s: float | None = None,
        on_look: Callable[[Sweep], None] = lambda _: None,
    ) -> Sweep:
        """Wait until all jobs of a sweep have ended, and return the sweep.

        Raises:
            TimeoutError: a job has not ended after ``timeout_s`` seconds.
            ServiceError: the service refused a request, or has not responded for a minute.
        """
        started, outage = time.monotonic(), Outage()
        while True:
            try:
                sweep = await self._sweep(sweep_id)
                outage.reset()
                on_look(sweep)
                if sweep.is_final:
                    return sweep
            except ServiceError as error:
                outage.check(error)
            if timeout_s is not None and time.monotonic() - started >= timeout_s:
                raise TimeoutError(f"sweep {sweep_id} has not ended after {timeout_s:g} s")
            await self._transport.sleep(POLL_S)

    async def _sweep(self, sweep_id: str) -> Sweep:
        return Sweep.model_validate(await self._transport.get(f"/v1/sweeps/{sweep_id}"))


def _body(
    model: Model,
    dataset: str,
    grid: Mapping[str, Sequence[Any]] | None,
    jobs: Sequence[Mapping[str, Any]] | None,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    varied = {"grid": grid, "jobs": jobs}
    given = {name: value for name, value in varied.items() if value is not None}
    return job_fields(model, None, dataset, options) | given
