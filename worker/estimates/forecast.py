"""The plan that ``zpruner prune --plan`` prints."""

from typing import Any

from db.spec.combination import check_combination
from db.spec.inputs.references import parse_model
from db.spec.options.experts import copies_weights
from db.spec.prune_spec import PruneSpec
from worker.estimates.expected_windows import counted_windows
from worker.estimates.load import measured_load
from worker.estimates.planned_job import planned_job
from worker.jobs.resources import Resources
from worker.pruning.base.compute import compute_device
from worker.pruning.distributed.launcher import rank_devices
from worker.pruning.planning.measured_speed import measured_speed
from worker.pruning.planning.memory_limits import headroom
from worker.sources.models import fetch_model


def forecast(spec: PruneSpec, resources: Resources) -> dict[str, Any]:
    """Return the job's plan for one device and the memory that is free now, as a JSON object.

    Its ``seconds`` are those of a machine that stays as busy as it is. If other programs keep it
    busy, ``seconds_alone`` are those without them. The model and the texts are downloaded, unless
    they are already on this machine. No weight is read.

    Raises:
        SpecRefusedError: a field of ``spec`` has a value that cannot be used.
        PruningError: the model cannot be pruned in this way, the job does not fit into memory, or
            the device does not exist.
    """
    check_combination(spec)
    (device,) = rank_devices(compute_device(resources.device), 1)
    reference = parse_model(spec.model, spec.revision, resources.model_roots)
    model = fetch_model(reference, may_be_scaled=copies_weights(spec))
    job = planned_job(
        spec, model, device, lambda meta_model: counted_windows(spec, model, meta_model, resources)
    )
    dtype = job.meta_model.dtype
    measured = measured_speed(resources.speeds, device, dtype) if resources.speeds else None
    memory = headroom(device, resources.memory_budget_bytes)
    if measured is None:
        return job.plan(memory).as_json()
    load = measured_load(measured.speed, device, running_jobs=0)
    plan = job.plan(memory, load.slowed(measured.speed)).as_json()
    if load.is_busy:
        plan["seconds_alone"] = job.plan(memory, measured.speed).seconds
    return plan
