"""The work of one job: fetch a model and texts, prune, evaluate, write a Hugging Face folder."""

from collections.abc import Generator
from contextlib import closing
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from db.core.states import Phase
from db.files.artifact_store import KnownDigest
from db.spec.combinations import check_combination
from db.spec.prune_spec import PruneSpec
from db.spec.references import parse_model
from worker.evaluation.perplexity import token_loss
from worker.jobs.dense_loss_cache import CachedDenseLoss
from worker.jobs.job_report import block_json, environment_json, job_report
from worker.jobs.model_folder import write_model_folder
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.recipes import recipe_of
from worker.jobs.resources import Resources
from worker.jobs.windows import windows_of
from worker.pruning.base.compute import compute_device, compute_dtype
from worker.pruning.distributed.launcher import launch, rank_devices
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.machine_benchmark import machine_speed
from worker.pruning.refinement.results import RefinementProgress
from worker.pruning.sweep.fingerprint import dense_loss_key
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe import Recipe
from worker.pruning.sweep.results import BlockResult, PruningResult
from worker.sources.models import fetch_model

_EMBEDDED_FRACTION, _PRUNED_FRACTION = 0.02, 0.95  # the shares done before and after the blocks

Sweep = Generator[BlockResult | RefinementProgress, None, PruningResult]


def prune(
    spec: PruneSpec, out: Path, resources: Resources
) -> Generator[JobProgress, None, JobResult]:
    """Prune the model that ``spec`` names into ``out``.

    Args:
        spec: the job's specification.
        out: an existing folder, empty or with the files of an earlier run; becomes a Hugging Face
            folder with ``report.json``, and a hidden ``.progress`` that is not part of the result.
        resources: folders, devices and memory that the job may use.

    Yields:
        Progress at each change of phase and after each block.

    Raises:
        SpecRefusedError: a field names something that cannot be used.
        PruningError: the model cannot be pruned in this way, or a result is not finite.
    """
    yield JobProgress(Phase.resolving, 0.0)
    check_combination(spec)
    devices = rank_devices(compute_device(resources.device), resources.devices)
    model = fetch_model(parse_model(spec.model, spec.revision, resources.model_roots))
    yield JobProgress(Phase.loading, 0.01)
    meta_model, recipe = _open(model.path, spec, devices)
    calibration, evaluation = windows_of(spec, model, meta_model, resources)
    if not recipe.is_calibrated:
        calibration = calibration.emptied()
    ids = (calibration.ids, evaluation.ids)
    cached = _dense_loss_cache(meta_model, evaluation.ids, devices[0], resources)
    sweep, resumed = _start_sweep(
        model.path, meta_model, recipe, ids, out, resources, devices, cached.read()
    )
    yield JobProgress(Phase.calibrating, _EMBEDDED_FRACTION, resumed_from_block=resumed)
    blocks: list[BlockResult] = []
    result = yield from _progress_of(sweep, blocks)
    yield JobProgress(Phase.packaging, 0.99)
    if result.dense_loss is not None and not result.dense_loss_known:
        cached.write(result.dense_loss)
    environment = environment_json(devices, meta_model.dtype, result)
    report = job_report(spec, model, calibration, evaluation, environment, result, blocks)
    write_model_folder(model.path, out, report, resources.model_roots)
    return JobResult(report["metrics"], _digests(result))


def _open(
    folder: Path, spec: PruneSpec, devices: tuple[torch.device, ...]
) -> tuple[MetaModel, Recipe]:
    """Open the model and check the recipe and the weights, before anything that takes time."""
    # With several devices each process opens the model on its own; here only headers are read.
    reader = devices[0] if len(devices) == 1 else torch.device("cpu")
    meta_model = MetaModel.open(folder, compute_dtype(spec.dtype, devices[0]), reader)
    recipe = recipe_of(spec)
    recipe.check(meta_model)
    meta_model.checkpoint.check_finite()
    return meta_model, recipe


def _dense_loss_cache(
    meta_model: MetaModel, evaluation: Tensor, device: torch.device, resources: Resources
) -> CachedDenseLoss:
    if resources.baselines is None:
        return CachedDenseLoss(None)
    key = dense_loss_key(meta_model, evaluation, token_loss, device)
    return CachedDenseLoss(resources.baselines / f"{key}.json")


def _digests(result: PruningResult) -> dict[str, KnownDigest]:
    """Return the digests that were computed while the shards were written."""
    return {
        shard.name: KnownDigest(shard.sha256, shard.size_bytes, shard.modified_ns)
        for shard in result.shards
    }


def _start_sweep(
    folder: Path,
    meta_model: MetaModel,
    recipe: Recipe,
    ids: tuple[Tensor, Tensor],
    out: Path,
    resources: Resources,
    devices: tuple[torch.device, ...],
    dense_loss: float | None,
) -> tuple[Sweep, int | None]:
    """Return the sweep, in this process or one per device, and the block it resumes from."""
    budget, dtype = resources.memory_budget_bytes, meta_model.dtype
    if len(devices) > 1:
        share = budget // len(devices) if budget else None
        work = partial(_sweep_on_rank, folder, dtype, recipe, *ids, out, share, dense_loss)
        return launch(work, devices), None  # only the processes know the block they resume from
    sweep = ModelPruner(
        meta_model,
        recipe,
        *ids,
        out,
        token_loss,
        memory_budget_bytes=budget,
        dense_loss=dense_loss,
        speed=machine_speed(resources.speeds, devices[0], dtype) if resources.speeds else None,
    )
    return sweep.steps(), sweep.resumed_from_block


def _sweep_on_rank(
    folder: Path,
    dtype: torch.dtype,
    recipe: Recipe,
    calibration: Tensor,
    evaluation: Tensor,
    out: Path,
    budget_bytes: int | None,
    dense_loss: float | None,
    ranks: Ranks,
    device: torch.device,
) -> Sweep:
    """Run one rank of a sweep; the process is given nothing but these arguments."""
    meta_model = MetaModel.open(folder, dtype, device)
    return ModelPruner(
        meta_model,
        recipe,
        calibration,
        evaluation,
        out,
        token_loss,
        memory_budget_bytes=budget_bytes,
        ranks=ranks,
        dense_loss=dense_loss,
    ).steps()


def _progress_of(
    sweep: Sweep, blocks: list[BlockResult]
) -> Generator[JobProgress, None, PruningResult]:
    """Yield the progress of a sweep, and append its reports to ``blocks``."""
    fraction = _EMBEDDED_FRACTION
    with closing(sweep):
        while True:
            try:
                block = next(sweep)
            except StopIteration as end:
                result: PruningResult = end.value
                return result
            if isinstance(block, RefinementProgress):
                yield JobProgress(Phase.pruning, fraction)  # a place to stop
                continue
            blocks.append(block)
            done = (block.index + 1) / block.total
            fraction = _EMBEDDED_FRACTION + (_PRUNED_FRACTION - _EMBEDDED_FRACTION) * done
            position = (block.index, block.total, block.name)
            yield JobProgress(Phase.pruning, fraction, position, block_json(block))
            if block.index + 1 == block.total:
                yield JobProgress(Phase.evaluating, _PRUNED_FRACTION)
