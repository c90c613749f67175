"""The work of one job: sources in, a pruned Hugging Face folder with its numbers out."""

import math
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from db.combinations import check_combination
from db.errors import SpecRefusedError
from db.references import parse_dataset, parse_model
from db.spec import OWN_MASK, Propagation, PruneSpec, SolverName
from db.states import Phase
from worker.evaluation.perplexity import perplexity, token_loss
from worker.export.folder import export
from worker.pruning.allocation import Explicit
from worker.pruning.compute import compute_device, compute_dtype
from worker.pruning.errors import NotFiniteError
from worker.pruning.launcher import launch, rank_devices
from worker.pruning.methods import get_method
from worker.pruning.patterns import NofM, Pattern, Unstructured
from worker.pruning.pipeline import Sweep
from worker.pruning.planning.plan import Plan
from worker.pruning.ranks import Ranks
from worker.pruning.recipe import Allocation, Recipe
from worker.pruning.report import BlockReport, SweepResult
from worker.pruning.skeleton import Skeleton
from worker.pruning.solvers import Solver, get_solver
from worker.pruning.swaps import PUBLISHED, Swaps
from worker.sources.datasets import Windows, calibration_windows, evaluation_windows, row_length
from worker.sources.models import ModelFolder, fetch_model

_LONGEST = 2048  # tokens; a config may promise far more than calibration gains from
_CORRECTION = 0.3  # measured: decision 13
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "tokenizer_config.json")
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


def prune(
    spec: PruneSpec,
    out: Path,
    *,
    model_roots: Sequence[Path] | None,
    dataset_roots: Sequence[Path] | None,
    device: str = "auto",
    devices: int = 1,
    memory_budget_bytes: int | None = None,
) -> Generator[Step, None, Outcome]:
    """Prune the model that ``spec`` names into ``out``.

    Args:
        spec: what to do.
        out: an existing folder, empty or as an earlier run left it; becomes a Hugging Face folder
            with ``report.json`` and the hidden ``.progress``, which is not to be handed on.
        model_roots: folders that local models may lie in; None for any.
        dataset_roots: the same for datasets.
        device: what to compute on; ``auto`` takes a GPU where there is one.
        devices: how many of them; each gets a process and a share of the windows.
        memory_budget_bytes: the most memory that all processes may hold; None for all there is.

    Yields:
        A step at each change of phase and after each block.

    Raises:
        SpecRefusedError: a field names something that cannot be used.
        PruningError: the model or its numbers do not allow it.
    """
    yield Step(Phase.resolving, 0.0)
    check_combination(spec)
    places = rank_devices(compute_device(device), devices)
    model = fetch_model(parse_model(spec.model, spec.revision, model_roots))
    yield Step(Phase.loading, 0.01)
    dtype = compute_dtype(spec.dtype, places[0])
    # Of several processes each opens the model on its own device; this one only looks at it.
    reader = places[0] if devices == 1 else torch.device("cpu")
    skeleton = Skeleton.open(model.path, dtype, reader)
    skeleton.checkpoint.check_finite()
    calibration, evaluation = windows_of(spec, model, skeleton, dataset_roots)
    recipe, ids = recipe_of(spec), (calibration.ids, evaluation.ids)
    if devices == 1:
        sweep = Sweep(skeleton, recipe, *ids, out, token_loss, memory_budget_bytes)
        blocks, resumed = sweep.run(), sweep.resumed_from_block
    else:
        budget = memory_budget_bytes // devices if memory_budget_bytes else None
        work = partial(_swept, model.path, dtype, recipe, *ids, out, budget)
        blocks, resumed = launch(work, places), None  # known to the processes alone
    yield Step(Phase.calibrating, 0.02, resumed_from_block=resumed)
    reports: list[BlockReport] = []
    result = yield from _steps(blocks, reports)
    yield Step(Phase.packaging, 0.99)
    computed = _computed(places, dtype, result)
    protocol = evaluation.card | {"dtype": computed["dtype"]}
    metrics = _metrics(result, reports) | {"protocol": protocol}
    report = {
        "spec": spec.model_dump(mode="json"),
        "model": {"name": model.name, "revision": model.revision},
        "metrics": metrics,
        "computed": computed,
        "plan": plan_json(result.plan),
        "calibration": calibration.card,
        "evaluation": protocol,
        "resumed_from_block": result.resumed_from_block,
        "blocks": [block_json(block) for block in reports],
    }
    export(model.path, out, report)
    return Outcome(metrics)


def recipe_of(spec: PruneSpec) -> Recipe:
    """Turn the specification into plain values of the core."""
    method = None if spec.method in OWN_MASK else get_method(spec.method)
    pattern: Pattern
    if spec.pattern is None:
        published = method.scope if method else "matrix"
        pattern = Unstructured(spec.sparsity, spec.scope.value if spec.scope else published)
    else:
        pattern = NofM(*map(int, spec.pattern.split(":")))
    solver = _solver(spec)
    return Recipe(
        method,
        pattern,
        spec.propagation.value,
        solver,
        _allocation(spec),
        spec.skip,
        _correction(spec) if solver else 0.0,
        _damping(spec, solver) if solver else None,
        _swaps(spec),
    )


def _solver(spec: PruneSpec) -> Solver | None:
    if spec.method in OWN_MASK:
        return get_solver(spec.method)
    without = spec.solver in {SolverName.none, SolverName.dsnot}
    return None if without else get_solver(spec.solver)


def _swaps(spec: PruneSpec) -> Swaps | None:
    if spec.solver is not SolverName.dsnot:
        return None
    return PUBLISHED if spec.propagation is Propagation.reference else Swaps()


def _correction(spec: PruneSpec) -> float:
    if spec.correction is not None:
        return spec.correction
    return 0.0 if spec.propagation is Propagation.reference else _CORRECTION


def _damping(spec: PruneSpec, solver: Solver) -> float:
    if spec.damping is not None:
        return spec.damping
    as_published = spec.propagation is Propagation.reference
    return solver.published_damping if as_published else solver.damping


def _allocation(spec: PruneSpec) -> Allocation:
    if isinstance(spec.allocation, tuple):
        return Explicit(spec.allocation)
    return spec.allocation.value


def _swept(
    folder: Path,
    dtype: torch.dtype,
    recipe: Recipe,
    calibration: Tensor,
    evaluation: Tensor,
    out: Path,
    budget_bytes: int | None,
    ranks: Ranks,
    device: torch.device,
) -> Generator[BlockReport, None, SweepResult]:
    """Sweep in a process of its own, of which no other knows more than this."""
    skeleton = Skeleton.open(folder, dtype, device)
    ids = (calibration, evaluation)
    return Sweep(skeleton, recipe, *ids, out, token_loss, budget_bytes, ranks).run()


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


def windows_of(
    spec: PruneSpec, model: ModelFolder, skeleton: Skeleton, roots: Sequence[Path] | None
) -> tuple[Windows, Windows]:
    """Return the calibration and the evaluation windows, both of the same length."""
    dataset = parse_dataset(spec.dataset, roots)
    own = parse_dataset(spec.eval_dataset, roots, "eval_dataset") if spec.eval_dataset else None
    length = _window_length(spec, skeleton, row_length(dataset))
    vocabulary = skeleton.model.config.get_text_config().vocab_size
    tokenizer = _tokenizer(model.path)
    calibration = calibration_windows(
        dataset,
        tokenizer,
        samples=spec.samples,
        seq_len=length,
        seed=spec.seed,
        vocab_size=vocabulary,
        hold_out=own is None,
    )
    evaluation = evaluation_windows(
        own or dataset,
        tokenizer,
        seq_len=length,
        samples=spec.eval_samples,
        vocab_size=vocabulary,
        held_out_by=calibration if own is None else None,
    )
    return calibration, evaluation


def _window_length(spec: PruneSpec, skeleton: Skeleton, row: int | None) -> int:
    config = skeleton.model.config.get_text_config()
    limit = getattr(config, "max_position_embeddings", None) or _LONGEST
    length = spec.seq_len or row or min(_LONGEST, limit)
    if length > limit:
        raise SpecRefusedError(
            "seq_len",
            length,
            "seq_len_too_long",
            f"{spec.model} has {limit} positions",
            f"Set seq_len to {limit} or less.",
        )
    return int(length)


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase | None:
    """Return the folder's tokenizer, None where it has none: rows of token ids need none."""
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        return None
    return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def _metrics(result: SweepResult, blocks: Sequence[BlockReport]) -> dict[str, Any]:
    zeros, weights = sum(b.zeros for b in blocks), sum(b.weights for b in blocks)
    metrics: dict[str, Any] = {
        **_perplexities(result),
        "sparsity": zeros / weights,
        "zeros": zeros,
        "weights": weights,
        "coverage": weights / sum(b.parameters for b in blocks),
        "fallbacks": sum(layer.fallback is not None for b in blocks for layer in b.layers),
        "prune_seconds": result.prune_seconds,
        "evaluate_seconds": result.evaluate_seconds,
        "peak_memory_bytes": result.peak_bytes,
        "predicted_peak_memory_bytes": result.plan.host_bytes,
    }
    if result.device_peak_bytes is not None:
        metrics["device_peak_memory_bytes"] = result.device_peak_bytes
        metrics["predicted_device_peak_memory_bytes"] = result.plan.device_bytes
    return metrics


def _perplexities(result: SweepResult) -> dict[str, float | None]:
    if result.dense_loss is None or result.pruned_loss is None:
        return {"dense_perplexity": None, "pruned_perplexity": None, "perplexity_ratio": None}
    for name, loss in (("dense", result.dense_loss), ("pruned", result.pruned_loss)):
        if not math.isfinite(loss):
            raise NotFiniteError(f"the {name} model's evaluation loss")
    dense, pruned = perplexity(result.dense_loss), perplexity(result.pruned_loss)
    return {
        "dense_perplexity": dense,
        "pruned_perplexity": pruned,
        "perplexity_ratio": pruned / dense,
    }


def _computed(
    places: Sequence[torch.device], dtype: torch.dtype, result: SweepResult
) -> dict[str, Any]:
    """Say with what the figures were made."""
    return {
        "device": str(places[0]),
        "devices": len(places),
        "dtype": str(dtype).removeprefix("torch."),
        "propagation": result.propagation,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan ready for JSON."""
    values = asdict(plan)
    return {**values.pop("setting"), **values}


def block_json(block: BlockReport) -> dict[str, Any]:
    """Return a block's report ready for JSON."""
    return asdict(block) | {
        "zeros": block.zeros,
        "weights": block.weights,
        "sparsity": block.zeros / block.weights if block.weights else None,
        "coverage": block.coverage,
    }
