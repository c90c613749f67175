"""What a job would take, without doing it."""

from typing import Any

from db.spec.combinations import check_combination
from db.spec.prune_spec import PruneSpec
from db.spec.references import parse_model
from worker.jobs.figures import plan_json
from worker.jobs.recipes import recipe_of
from worker.jobs.resources import Resources
from worker.jobs.windows import windows_of
from worker.pruning.base.compute import compute_device, compute_dtype
from worker.pruning.distributed.launcher import rank_devices
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.machine_benchmark import machine_speed
from worker.pruning.sweep.job_shapes import planned
from worker.sources.models import fetch_model


def forecast(spec: PruneSpec, resources: Resources) -> dict[str, Any]:
    """Return what `worker.jobs.prune.prune` would take on one device, ready for JSON.

    Model and texts are fetched, as what they hold decides; no weight is read.

    Raises:
        SpecRefusedError: a field names something that cannot be used.
        PruningError: the model, or the memory there is, does not allow it.
    """
    check_combination(spec)
    (place,) = rank_devices(compute_device(resources.device), 1)
    model = fetch_model(parse_model(spec.model, spec.revision, resources.model_roots))
    dtype = compute_dtype(spec.dtype, place)
    meta_model = MetaModel.open(model.path, dtype, place)
    calibration, evaluation = windows_of(spec, model, meta_model, resources)
    recipe = recipe_of(spec)
    recipe.check(meta_model)
    speed = machine_speed(resources.speeds, place, dtype) if resources.speeds else None
    ids = (calibration.ids, evaluation.ids)
    return plan_json(planned(meta_model, recipe, *ids, resources.memory_budget_bytes, speed=speed))
