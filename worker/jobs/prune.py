"""The work of one job: sources in, a pruned Hugging Face folder with its numbers out."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from db.core.states import Phase
from db.spec.combinations import check_combination
from db.spec.prune_spec import PruneSpec
from db.spec.references import parse_model
from worker.evaluation.perplexity import token_loss
from worker.jobs.baseline import Baseline
from worker.jobs.figures import block_json, computed_by, metrics_of, plan_json
from worker.jobs.model_folder import export
from worker.jobs.recipes import recipe_of
from worker.jobs.resources import Resources
from worker.jobs.windows import windows_of
from worker.pruning.base.compute import compute_device, compute_dtype
from worker.pruning.distributed.launcher import launch, rank_devices
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.machine_benchmark import machine_speed
from worker.pruning.sweep.fingerprint import dense_key
from worker.pruning.sweep.pipeline import Sweep
from worker.pruning.sweep.recipe import Recipe
from worker.pruning.sweep.report import BlockReport, SweepResult
from worker.sources.models import ModelFolder, fetch_model
from worker.sources.windows import Windows

_SWEPT = 0.95  # share of the work that is done when all blocks are


@dataclass(frozen=True)
class Step:
    """How far the work is.

    Attributes:
        phase: the name of a ``Phase``.
        fraction: share of all the work that is done.
        block: index, total and name of the block just finished.
        report: what was measured on that block, ready for JSON.
        resumed_from_block: where an earlier run did the first blocks, how many; said once.
    """

    phase: str
    fraction: float
    block: tuple[int, int, str] | None = None
    report: dict[str, Any] | None = None
    resumed_from_block: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What the finished work measured, ready for JSON."""

    metrics: dict[str, Any]


def prune(spec: PruneSpec, out: Path, resources: Resources) -> Generator[Step, None, Outcome]:
    """Prune the model that ``spec`` names into ``out``.

    Args:
        spec: what to do.
        out: an existing folder, empty or as an earlier run left it; becomes a Hugging Face folder
            with ``report.json`` and the hidden ``.progress``, which is not to be handed on.
        resources: what to do it with.

    Yields:
        A step at each change of phase and after each block.

    Raises:
        SpecRefusedError: a field names something that cannot be used.
        PruningError: the model or its numbers do not allow it.
    """
    yield Step(Phase.resolving, 0.0)
    check_combination(spec)
    places = rank_devices(compute_device(resources.device), resources.devices)
    model = fetch_model(parse_model(spec.model, spec.revision, resources.model_roots))
    yield Step(Phase.loading, 0.01)
    dtype = compute_dtype(spec.dtype, places[0])
    # Of several processes each opens the model on its own device; this one only looks at it.
    reader = places[0] if len(places) == 1 else torch.device("cpu")
    meta_model = MetaModel.open(model.path, dtype, reader)
    recipe = recipe_of(spec)
    recipe.check(meta_model)  # before anything that takes time
    meta_model.checkpoint.check_finite()
    calibration, evaluation = windows_of(spec, model, meta_model, resources)
    key = dense_key(meta_model, evaluation.ids, token_loss, places[0])
    baseline = Baseline(resources.baselines / f"{key}.json") if resources.baselines else None
    known = baseline.loss() if baseline else None
    ids = (calibration.ids, evaluation.ids)
    blocks, resumed = _blocks(model.path, meta_model, recipe, ids, out, resources, places, known)
    yield Step(Phase.calibrating, 0.02, resumed_from_block=resumed)
    reports: list[BlockReport] = []
    result = yield from _steps(blocks, reports)
    yield Step(Phase.packaging, 0.99)
    computed = computed_by(places, dtype, result)
    report = _report(spec, model, (calibration, evaluation), computed, result, reports)
    if baseline and result.dense_loss is not None and not result.dense_loss_known:
        baseline.keep(result.dense_loss)
    export(model.path, out, report, resources.model_roots)
    return Outcome(report["metrics"])


def _blocks(
    folder: Path,
    meta_model: MetaModel,
    recipe: Recipe,
    ids: tuple[Tensor, Tensor],
    out: Path,
    resources: Resources,
    places: tuple[torch.device, ...],
    dense_loss: float | None,
) -> tuple[Generator[BlockReport, None, SweepResult], int | None]:
    """Return the sweep, here or in a process for each place, and where an earlier one got to."""
    budget, dtype = resources.memory_budget_bytes, meta_model.dtype
    if len(places) > 1:
        share = budget // len(places) if budget else None
        work = partial(_swept, folder, dtype, recipe, *ids, out, share, dense_loss)
        return launch(work, places), None  # known to the processes alone
    sweep = Sweep(
        meta_model,
        recipe,
        *ids,
        out,
        token_loss,
        memory_budget_bytes=budget,
        dense_loss=dense_loss,
        speed=machine_speed(resources.speeds, places[0], dtype) if resources.speeds else None,
    )
    return sweep.run(), sweep.resumed_from_block


def _swept(
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
) -> Generator[BlockReport, None, SweepResult]:
    """Sweep in a process of its own, of which no other knows more than this."""
    meta_model = MetaModel.open(folder, dtype, device)
    return Sweep(
        meta_model,
        recipe,
        calibration,
        evaluation,
        out,
        token_loss,
        memory_budget_bytes=budget_bytes,
        ranks=ranks,
        dense_loss=dense_loss,
    ).run()


def _report(
    spec: PruneSpec,
    model: ModelFolder,
    windows: tuple[Windows, Windows],
    computed: dict[str, Any],
    result: SweepResult,
    blocks: list[BlockReport],
) -> dict[str, Any]:
    """Return all there is to say of the work, ready for JSON."""
    calibration, evaluation = windows
    protocol = evaluation.card | {"dtype": computed["dtype"]}
    return {
        "spec": spec.model_dump(mode="json"),
        "model": {"name": model.name, "revision": model.revision},
        "metrics": metrics_of(result, blocks) | {"protocol": protocol},
        "computed": computed,
        "plan": plan_json(result.plan),
        "calibration": calibration.card,
        "evaluation": protocol,
        "resumed_from_block": result.resumed_from_block,
        "blocks": [block_json(block) for block in blocks],
    }


def _steps(
    blocks: Generator[BlockReport, None, SweepResult], reports: list[BlockReport]
) -> Generator[Step, None, SweepResult]:
    """Turn the sweep's block reports into steps, and collect them."""
    with closing(blocks):
        while True:
            try:
                block = next(blocks)
            except StopIteration as end:
                result: SweepResult = end.value
                return result
            reports.append(block)
            done = (block.index + 1) / block.total
            place = (block.index, block.total, block.name)
            yield Step(Phase.pruning, 0.02 + (_SWEPT - 0.02) * done, place, block_json(block))
            if block.index + 1 == block.total:
                yield Step(Phase.evaluating, _SWEPT)
