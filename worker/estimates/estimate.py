"""Estimating a job's memory, time and output size on this machine, without reading weights."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from db.jobs.estimates import TimedJob
from db.spec.combination import check_combination
from db.spec.options.experts import copies_weights
from db.spec.prune_spec import PruneSpec, untimed
from worker.estimates.correction import contradicts
from worker.estimates.duration import Duration, duration
from worker.estimates.expected_windows import expected_windows, needs_tokenizer
from worker.estimates.load import IDLE, Load
from worker.estimates.planned_job import JobPlan, PlannedJob, planned_job
from worker.jobs.resources import Resources
from worker.pruning.base.compute import compute_device, dtype_name
from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.speed import Speed
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.measured_speed import MeasuredSpeed, measured_speed
from worker.pruning.planning.memory_limits import Headroom, idle_headroom
from worker.recovery.planning.plan import RecoveryPlan
from worker.settings import WorkerSettings
from worker.sources.models import ModelFolder, fetch_outline
from worker.sources.result_models import PlacedResult

UNLIMITED_BYTES = 1 << 60
TIME = ("seconds", "seconds_alone", "basis")
MEMORY = ("host_bytes", "device_bytes", "scratch_bytes")
WINDOWS = ("calibration", "evaluation", "seq_len", "evaluation_seq_len", "training", "held_out")
RECOVERY = ("host_bytes", "device_bytes", "scratch_bytes", "steps")


def estimate(
    spec: PruneSpec,
    settings: WorkerSettings,
    jobs: Sequence[TimedJob] = (),
    secret: str | None = None,
    started_from: PlacedResult | None = None,
    load_of: Callable[[Speed, torch.device], Load] = lambda speed, device: IDLE,
) -> dict[str, Any]:
    """Estimate the memory, time and output size of a job on this machine.

    Memory is estimated for a machine that does nothing else, time for one that stays as busy as it
    is and, if that is busy, also for one that does nothing else.

    Args:
        spec: the job.
        settings: the worker's settings.
        jobs: recent jobs of this machine, whose times correct the planned one.
        secret: the secret for the model; None for that of the environment, if there is one.
        started_from: the outline of the model, if it is the result of another job.
        load_of: measures how busy the machine is, given its speed when idle.

    Returns:
        The estimate, ready for JSON.

    Raises:
        SpecRefusedError: a field of ``spec`` has a value that cannot be used.
        PruningError: the model cannot be pruned in this way.
    """
    check_combination(spec)
    device = compute_device(settings.device)
    resources = replace(settings.resources, result=started_from)
    model, job = _planned_job(spec, resources, device, secret)
    headroom = idle_headroom(device, settings.memory_budget_bytes)
    dtype = job.meta_model.dtype
    time = _duration(job, headroom, settings, jobs, load_of)
    plan, refusal = _plan_or_refusal(job, headroom, time.speed if time else None)
    return {
        "model": _size(model, job.meta_model),
        "fits": refusal is None,
        "refusal": refusal,
        "memory": {name: getattr(plan, name) for name in MEMORY},
        **(time.as_json() if time else dict.fromkeys(TIME)),
        "artifact_bytes": plan.artifact_bytes,
        "computed_on": {"device": device.type, "dtype": dtype_name(dtype)},
        "setting": plan.sweep.setting_values(),
        "recovery": _recovery(plan.recovery, time),
        "windows": {name: getattr(job.windows, name) for name in WINDOWS},
        "warnings": [
            *job.windows.guesses,
            *_not_planned(spec),
            *(time.warnings() if time else []),
        ],
        "result_warnings": list(job.result_warnings),
    }


def _planned_job(
    spec: PruneSpec, resources: Resources, device: torch.device, secret: str | None
) -> tuple[ModelFolder, PlannedJob]:
    """Return the job and its model, of which only the outline is fetched."""
    with TemporaryDirectory(prefix="zpruner-outline-") as scratch:
        reference = resources.model_reference(spec)
        with_tokenizer = needs_tokenizer(spec, resources)
        model = fetch_outline(
            reference,
            Path(scratch),
            with_tokenizer=with_tokenizer,
            secret=secret,
            may_be_scaled=copies_weights(spec),
        )
        job = planned_job(
            spec,
            model,
            device,
            lambda meta_model: expected_windows(spec, model, meta_model, resources),
        )
    return model, job


def _duration(
    job: PlannedJob,
    headroom: Headroom,
    settings: WorkerSettings,
    jobs: Sequence[TimedJob],
    load_of: Callable[[Speed, torch.device], Load],
) -> Duration | None:
    """Return how long the job will take; None if several processes share it."""
    if settings.devices != 1:
        return None
    machine = settings.speed_file, job.meta_model.device, job.meta_model.dtype
    measured = measured_speed(*machine)
    if measured is not None and contradicts(_jobs_of(measured, jobs)):
        measured = measured_speed(*machine, contradicted=True)
    if measured is None:
        return None
    load = load_of(measured.speed, job.meta_model.device)

    def planned(speed: Speed) -> float | None:
        return _plan_or_refusal(job, headroom, speed)[0].seconds

    return duration(planned, measured, _jobs_of(measured, jobs), load)


def _jobs_of(measured: MeasuredSpeed, jobs: Sequence[TimedJob]) -> list[TimedJob]:
    """Return the jobs that have ended since this speed is valid."""
    return [job for job in jobs if job.finished_at.timestamp() >= measured.valid_since]


def _plan_or_refusal(
    job: PlannedJob, headroom: Headroom, speed: Speed | None
) -> tuple[JobPlan, str | None]:
    """Return the plan that fits into memory, and None.

    If no plan fits, return a plan for unlimited memory, and the text of the error.
    """
    try:
        return job.plan(headroom, speed), None
    except InsufficientMemoryError as error:
        device_bytes = None if headroom.device_bytes is None else UNLIMITED_BYTES
        unlimited = replace(headroom, host_bytes=UNLIMITED_BYTES, device_bytes=device_bytes)
        return job.plan(unlimited, speed), str(error)


def _not_planned(spec: PruneSpec) -> list[str]:
    """Return a warning that names what the planned time leaves out, if anything."""
    left_out = " and ".join(untimed(spec))
    return [f"the time does not include {left_out}"] if left_out else []


def _size(model: ModelFolder, meta_model: MetaModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "revision": model.revision,
        "parameters": sum(meta_model.checkpoint.counts.values()),
        "blocks": len(meta_model.blocks),
    }


def _recovery(plan: RecoveryPlan | None, time: Duration | None) -> dict[str, Any] | None:
    if plan is None:
        return None
    seconds = plan.seconds * time.corrected.p50 if time and plan.seconds is not None else None
    return {name: getattr(plan, name) for name in RECOVERY} | {"seconds": seconds}
