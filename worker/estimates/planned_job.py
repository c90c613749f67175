"""The plan of a job, computed from its model's headers and the number of its windows."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from db.spec.prune_spec import PruneSpec
from worker.estimates.expected_windows import ExpectedWindows
from worker.jobs.recipes import recipe_of
from worker.pruning.base.compute import compute_dtype
from worker.pruning.base.shapes import ModelShape
from worker.pruning.base.speed import Speed
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.memory_limits import Headroom
from worker.pruning.planning.plan import Plan, plan
from worker.pruning.planning.workload import Workload
from worker.pruning.sweep.job_shapes import model_shape, workload
from worker.sources.models import ModelFolder


@dataclass(frozen=True)
class PlannedJob:
    """A job's model and workload, which can be planned for any amount of memory."""

    meta_model: MetaModel
    windows: ExpectedWindows
    shape: ModelShape
    work: Workload

    def plan(self, headroom: Headroom, speed: Speed | None = None) -> Plan:
        """Return the fastest plan that fits into ``headroom``.

        Raises:
            InsufficientMemoryError: none fits.
        """
        return plan(self.shape, self.work, headroom, speed)


def planned_job(
    spec: PruneSpec,
    model: ModelFolder,
    device: torch.device,
    count_windows: Callable[[MetaModel], ExpectedWindows],
) -> PlannedJob:
    """Read the model's headers and describe the job's work; no weight is loaded.

    Args:
        spec: the job.
        model: a folder with at least a configuration and the headers of the weights.
        device: what the job will compute on.
        count_windows: returns the number of calibration and evaluation windows.

    Raises:
        SpecRefusedError: a field names something that cannot be used.
        PruningError: the model cannot be pruned in this way.
    """
    meta_model = MetaModel.open(model.path, compute_dtype(spec.dtype, device), device)
    recipe = recipe_of(spec)
    recipe.check(meta_model)
    windows = count_windows(meta_model)
    if not recipe.is_calibrated:
        windows = replace(windows, calibration=0)
    with torch.device("meta"):  # only the windows' shapes matter to a plan
        calibration = torch.empty(windows.calibration, windows.seq_len)
        evaluation = torch.empty(windows.evaluation, windows.seq_len)
    return PlannedJob(
        meta_model,
        windows,
        model_shape(meta_model, recipe),
        workload(meta_model, recipe, calibration, evaluation),
    )
