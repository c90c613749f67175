"""What a job would take, without doing it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from db.combinations import check_combination
from db.references import parse_model
from db.spec import PruneSpec
from worker.figures import plan_json
from worker.pruning.compute import compute_device, compute_dtype
from worker.pruning.planning.gauge import machine_speed
from worker.pruning.planning.outline import planned
from worker.pruning.skeleton import Skeleton
from worker.recipes import recipe_of
from worker.sources.models import fetch_model
from worker.windows import windows_of


def forecast(
    spec: PruneSpec,
    *,
    model_roots: Sequence[Path] | None = None,
    dataset_roots: Sequence[Path] | None = None,
    device: str = "auto",
    memory_budget_bytes: int | None = None,
    speeds: Path | None = None,
) -> dict[str, Any]:
    """Return what `worker.prune.prune` would take here, ready for JSON; arguments as there.

    Model and texts are fetched, as what they hold decides; no weight is read.

    Raises:
        SpecRefusedError: a field names something that cannot be used.
        PruningError: the model, or the memory there is, does not allow it.
    """
    check_combination(spec)
    model = fetch_model(parse_model(spec.model, spec.revision, model_roots))
    place = compute_device(device)
    dtype = compute_dtype(spec.dtype, place)
    skeleton = Skeleton.open(model.path, dtype, place)
    calibration, evaluation = windows_of(spec, model, skeleton, dataset_roots)
    recipe = recipe_of(spec)
    recipe.check(skeleton)
    speed = machine_speed(speeds, place, dtype) if speeds else None
    ids = (calibration.ids, evaluation.ids)
    return plan_json(planned(skeleton, recipe, *ids, memory_budget_bytes, speed=speed))
