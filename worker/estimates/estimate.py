"""What a job would take on this machine, from what describes its model, without its weights."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from db.spec.combinations import check_combination
from db.spec.prune_spec import PruneSpec
from db.spec.references import parse_model
from worker.estimates.expected_windows import Expected, expected_windows, is_read
from worker.jobs.pace import LATE
from worker.jobs.recipes import recipe_of
from worker.pruning.base.compute import compute_device, compute_dtype, dtype_name
from worker.pruning.base.errors import NoRoomError
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.cost_model import sweep_cost
from worker.pruning.planning.machine_benchmark import machine_speed
from worker.pruning.planning.memory_limits import Headroom, idle_headroom
from worker.pruning.planning.plan import Plan, plan
from worker.pruning.planning.shapes import ModelShape
from worker.pruning.planning.workload import Workload
from worker.pruning.sweep.job_shapes import outline, workload
from worker.settings import WorkerSettings
from worker.sources.models import ModelFolder, fetch_outline

FEWEST = 5
"""Of fewer jobs no share says anything."""
MEDIAN = 1.0
"""Half of the jobs in benchmarks/results/plans.md took less than planned; for `LATE` see there."""
BOUNDLESS = 1 << 60
MEMORY = ("host_bytes", "device_bytes", "scratch_bytes")
WINDOWS = ("calibration", "evaluation", "seq_len")


def estimate(
    spec: PruneSpec, settings: WorkerSettings, lateness: Sequence[float] = ()
) -> dict[str, Any]:
    """Return what the job would take on this machine with nothing else running, ready for JSON.

    Args:
        spec: the job.
        settings: the worker's.
        lateness: how long earlier jobs took here, over the seconds that were planned for them.

    Raises:
        SpecRefusedError: a field names something that cannot be used.
        PruningError: the model cannot be pruned in this way.
    """
    check_combination(spec)
    with TemporaryDirectory(prefix="zpruner-outline-") as scratch:
        reference = parse_model(spec.model, spec.revision, settings.model_roots)
        has_texts = is_read(spec, settings.resources)
        model = fetch_outline(reference, Path(scratch), with_tokenizer=has_texts)
        place = compute_device(settings.device)
        dtype = compute_dtype(spec.dtype, place)
        meta_model = MetaModel.open(model.path, dtype, place)
        recipe = recipe_of(spec)
        recipe.check(meta_model)
        expected = expected_windows(spec, model, meta_model, settings.resources)
        work = workload(meta_model, recipe, *_blank(expected))
        shape = outline(meta_model, recipe)
    headroom = idle_headroom(place, settings.memory_budget_bytes)
    found, refusal = _planned(shape, work, headroom)
    if settings.devices == 1:
        speed = machine_speed(settings.speed_file, place, dtype)
        spent = sweep_cost(shape, work, found.setting).seconds(speed) if speed else None
        found = replace(found, seconds=spent)
    return {
        "model": _size(model, meta_model),
        "fits": refusal is None,
        "refusal": refusal,
        "memory": {name: getattr(found, name) for name in MEMORY},
        "seconds": _seconds(found.seconds, lateness),
        "artifact_bytes": found.artifact_bytes,
        "computed_on": {"device": place.type, "dtype": dtype_name(dtype)},
        "setting": found.setting_values(),
        "windows": {name: getattr(expected, name) for name in WINDOWS},
        "warnings": list(expected.guesses),
    }


def _planned(shape: ModelShape, work: Workload, headroom: Headroom) -> tuple[Plan, str | None]:
    """Return a plan, and why it does not fit if it does not."""
    try:
        return plan(shape, work, headroom), None
    except NoRoomError as error:
        return plan(shape, work, _boundless(headroom)), str(error)


def _boundless(headroom: Headroom) -> Headroom:
    on_device = None if headroom.device_bytes is None else BOUNDLESS
    return replace(headroom, host_bytes=BOUNDLESS, device_bytes=on_device)


def _blank(expected: Expected) -> tuple[Tensor, Tensor]:
    """Return windows that have a shape and nothing else."""
    with torch.device("meta"):
        return (
            torch.empty(expected.calibration, expected.seq_len),
            torch.empty(expected.evaluation, expected.seq_len),
        )


def _size(model: ModelFolder, meta_model: MetaModel) -> dict[str, Any]:
    parameters = sum(prod(one.shape) for one in meta_model.checkpoint.tensors.values())
    about = {"name": model.name, "revision": model.revision}
    return about | {"parameters": parameters, "blocks": len(meta_model.blocks)}


def _seconds(planned: float | None, lateness: Sequence[float]) -> dict[str, float] | None:
    if planned is None:
        return None
    middle, late, jobs = MEDIAN, LATE, 0
    if len(lateness) >= FEWEST:
        tenths = quantiles(lateness, n=10, method="inclusive")
        middle, late, jobs = tenths[4], tenths[8], len(lateness)
    return {"p50": planned * middle, "p90": planned * late, "jobs": jobs}
