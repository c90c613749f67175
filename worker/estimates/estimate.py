"""Estimating a job's memory, time and output size on this machine, without reading weights."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import torch

from db.spec.combinations.combination import check_combination
from db.spec.prune_spec import PruneSpec
from worker.estimates.expected_windows import expected_windows, needs_tokenizer
from worker.estimates.planned_job import JobPlan, PlannedJob, planned_job
from worker.jobs.eta import P90_FACTOR
from worker.jobs.resources import Resources
from worker.pruning.base.compute import compute_device, dtype_name
from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.speed import Speed
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.machine_benchmark import machine_speed
from worker.pruning.planning.memory_limits import Headroom, idle_headroom
from worker.recovery.planning.plan import RecoveryPlan
from worker.settings import WorkerSettings
from worker.sources.models import ModelFolder, fetch_outline
from worker.sources.result_models import PlacedResult

MIN_JOBS = 5
"""With fewer earlier jobs than this, quantiles of their durations would mean nothing."""
P50_FACTOR = 1.0
"""The median duration, as a multiple of the planned duration.

Half of the jobs in benchmarks/results/plans.md took less time than planned.
"""
UNLIMITED_BYTES = 1 << 60
MEMORY = ("host_bytes", "device_bytes", "scratch_bytes")
WINDOWS = ("calibration", "evaluation", "seq_len", "evaluation_seq_len", "training", "held_out")
RECOVERY = ("host_bytes", "device_bytes", "scratch_bytes", "steps", "seconds")


def estimate(
    spec: PruneSpec,
    settings: WorkerSettings,
    duration_ratios: Sequence[float] = (),
    secret: str | None = None,
    started_from: PlacedResult | None = None,
) -> dict[str, Any]:
    """Estimate the memory, time and output size of a job that runs alone on this machine.

    Args:
        spec: the job.
        settings: the worker's settings.
        duration_ratios: for each recent job, its duration divided by its planned duration.
        secret: the secret for the model; None for that of the environment, if there is one.
        started_from: the outline of the model, if it is the result of another job.

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
    speed = machine_speed(settings.speed_file, device, dtype) if settings.devices == 1 else None
    plan, refusal = _plan_or_refusal(job, headroom, speed)
    return {
        "model": _size(model, job.meta_model),
        "fits": refusal is None,
        "refusal": refusal,
        "memory": {name: getattr(plan, name) for name in MEMORY},
        "seconds": _seconds(plan.seconds, duration_ratios),
        "artifact_bytes": plan.sweep.artifact_bytes,
        "computed_on": {"device": device.type, "dtype": dtype_name(dtype)},
        "setting": plan.sweep.setting_values(),
        "recovery": _recovery(plan.recovery),
        "windows": {name: getattr(job.windows, name) for name in WINDOWS},
        "warnings": [*job.windows.guesses, *_not_planned(spec)],
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
            reference, Path(scratch), with_tokenizer=with_tokenizer, secret=secret
        )
        job = planned_job(
            spec,
            model,
            device,
            lambda meta_model: expected_windows(spec, model, meta_model, resources),
        )
    return model, job


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
    parts = {
        "zero-shot tasks": spec.tasks,
        "generated text": spec.generate,
        "ranked answers": spec.rank_answers,
        "the benchmark": spec.benchmark,
    }
    left_out = " and ".join(name for name, wanted in parts.items() if wanted)
    return [f"the time does not include {left_out}"] if left_out else []


def _size(model: ModelFolder, meta_model: MetaModel) -> dict[str, Any]:
    parameters = sum(prod(tensor.shape) for tensor in meta_model.checkpoint.tensors.values())
    return {
        "name": model.name,
        "revision": model.revision,
        "parameters": parameters,
        "blocks": len(meta_model.blocks),
    }


def _recovery(plan: RecoveryPlan | None) -> dict[str, Any] | None:
    return None if plan is None else {name: getattr(plan, name) for name in RECOVERY}


def _seconds(planned: float | None, duration_ratios: Sequence[float]) -> dict[str, float] | None:
    if planned is None:
        return None
    p50, p90, jobs = P50_FACTOR, P90_FACTOR, 0
    if len(duration_ratios) >= MIN_JOBS:
        tenths = quantiles(duration_ratios, n=10, method="inclusive")
        p50, p90, jobs = tenths[4], tenths[8], len(duration_ratios)
    return {"p50": planned * p50, "p90": planned * p90, "jobs": jobs}
