"""The report of a finished job, ready for JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
import transformers

from db.spec.reduction import reduction
from worker.evaluation.overlap import MOST_OVERLAP
from worker.evaluation.perplexity import perplexity, perplexity_interval
from worker.jobs.increments.pruned_model import PrunedModel
from worker.jobs.opened_job import OpenedJob
from worker.jobs.recipes import recipe_at
from worker.jobs.recovered_model import RecoveredModel
from worker.jobs.result.result_warnings import result_warnings
from worker.jobs.stages.stage import Measured
from worker.pruning.base.compute import dtype_name
from worker.pruning.base.errors import NotFiniteError
from worker.pruning.model.head_loss import mean_loss
from worker.pruning.planning.plan import Plan
from worker.pruning.sweep.results import BlockResult, PruningResult, RemovedUnits
from worker.recovery.results import RecoveryResult


def job_report(
    job: OpenedJob,
    model: PrunedModel,
    measured: Mapping[str, Measured],
    waiting_share: float | None,
) -> dict[str, Any]:
    """Return all measurements and how they were made, as in ``report.json``.

    ``measured`` is what stages and the files of weights add, by the part of the report.
    ``waiting_share`` is the share of the job's time in which it waited for a processor; None if
    that is not known.
    """
    shared = job.windows.overlap()
    dtype = model.report["computed"]["dtype"]
    protocol = job.windows.evaluation.provenance | {"dtype": dtype}
    metrics = model.metrics | {
        name: value for part in measured.values() for name, value in part.metrics.items()
    }
    report = {
        # Where the files are sent is no part of how they were made, and may be private.
        "spec": job.requested.model_dump(mode="json", exclude={"output"}),
        "model": {"name": job.model.name, "revision": job.model.revision, **_lineage(job)},
        "metrics": metrics
        | {"reduction": reduction(metrics)}
        | {"waiting_share": waiting_share, "eval_overlap": shared, "protocol": protocol},
        "warnings": [
            *_in_place(job),
            *result_warnings(recipe_at(job.recipe, model.increment), job.meta_model),
            *model.warnings,
            *_overlaps({"the evaluation text": shared}),
            *_overlaps({row["text"]: row["overlap"] for row in measured["texts"].report[1:]}),
        ],
        "calibration": job.windows.calibration.provenance,
        "evaluation": protocol,
        **({"keep": job.windows.keep.provenance} if job.windows.keep else {}),
        **model.report,
        "blocks": [block_json(block) for block in model.blocks],
    }
    return report | {name: part.report for name, part in measured.items()}


def _lineage(job: OpenedJob) -> dict[str, Any]:
    """Return the jobs whose results led to the model, and the model that the first one pruned."""
    result = job.resources.result
    return {} if result is None else {"lineage": dict(result.lineage)}


def pruned_model(
    job: OpenedJob,
    result: PruningResult,
    blocks: Sequence[BlockResult],
    recovered: RecoveredModel | None,
) -> PrunedModel:
    """Return the model that a sweep and, if there was one, a recovery have written.

    Args:
        job: the job, or the part of it that one increment does.
        result: the result of the sweep.
        blocks: the results of its blocks.
        recovered: the model after the recovery; None without one.

    Raises:
        NotFiniteError: a loss is not a finite number.
    """
    report: dict[str, Any] = {
        "computed": environment_json(job, result),
        "plan": plan_json(result.plan),
        "resumed_from_block": result.resumed_from_block,
    }
    if recovered is not None:
        report["recovery"] = recovered.report()
    return PrunedModel(
        blocks=tuple(blocks),
        shards=recovered.result.shards if recovered else result.shards,
        metrics=job_metrics(result, blocks, recovered) | _parameters(job, blocks),
        report=report,
        setting=result.plan.setting_values(),
        dense_losses=result.dense_losses,
        increment=job.recipe.increment,
        warnings=_of_recovery(recovered),
        probabilities=result.probabilities,
        distances=result.distances,
    )


def _parameters(job: OpenedJob, blocks: Sequence[BlockResult]) -> dict[str, int]:
    """Return the number of the result's parameters and of those that were removed, and the bytes.

    Those are of the dense model as it is stored; of the result they are known once it is written.
    """
    checkpoint = job.meta_model.checkpoint
    counts = checkpoint.counts
    removed = sum(block.parameters_removed for block in blocks)
    removed += sum(counts[name] for name in job.recipe.left_out(job.meta_model))
    sizes = {"parameters": sum(counts.values()) - removed, "parameters_removed": removed}
    return sizes | {"dense_weights_bytes": checkpoint.stored_bytes}


def _in_place(job: OpenedJob) -> list[str]:
    """Return a warning if what the job removed is still part of the result."""
    if job.recipe.removal is None or job.recipe.is_cut:
        return []
    return [
        "The blocks lost different numbers of units, for which no config has fields. So these are "
        "zeros in place, and the result is neither smaller nor faster than the dense model. "
        "llama.cpp reads a width for each block: of a Llama, zpruner gguf leaves the units out."
    ]


def _of_recovery(recovered: RecoveredModel | None) -> tuple[str, ...]:
    """Return a warning if there was a recovery, and it has changed nothing."""
    if recovered is None or not recovered.result.kept_start:
        return ()
    return (
        "No step of the recovery lowered the held-out loss, so that the weights are those of the "
        "sweep. Set a lower lr in recover, or more tokens.",
    )


def _overlaps(shares: Mapping[str, float | None]) -> list[str]:
    """Return a warning for each text of which the model was made with too large a share."""
    return [
        f"{100 * share:.1f} % of {text} was also in the text that the model was calibrated or "
        "trained on, so the pruned model's perplexity may be too good."
        for text, share in shares.items()
        if share is not None and share > MOST_OVERLAP
    ]


def job_metrics(
    result: PruningResult, blocks: Sequence[BlockResult], recovered: RecoveredModel | None
) -> dict[str, Any]:
    """Return the metrics by name.

    Raises:
        NotFiniteError: a loss is not a finite number.
    """
    zeros, weights = sum(b.zeros for b in blocks), sum(b.weights for b in blocks)
    if recovered is not None:
        zeros = recovered.zeros
    metrics: dict[str, Any] = {
        **_perplexities(result, recovered),
        "sparsity": zeros / weights if weights else 0.0,
        "zeros": zeros,
        "weights": weights,
        "coverage": weights / sum(b.parameters for b in blocks),
        "dense_loss_known": result.dense_loss_known,
        **({} if result.scores_known is None else {"scores_known": result.scores_known}),
        "fallbacks": sum(layer.fallback is not None for b in blocks for layer in b.layers),
        "prune_seconds": result.prune_seconds,
        "evaluate_seconds": result.evaluate_seconds,
        **_plan_metrics(result, recovered),
    }
    if result.changed is not None:
        metrics["pgp"] = {"changed": result.changed}
    return metrics if recovered is None else metrics | {"recovery": recovered.metrics()}


def _perplexities(result: PruningResult, recovered: RecoveredModel | None) -> dict[str, Any]:
    """Return the perplexities, their ratio, and the intervals of 95 % by name of metric."""
    losses = {"dense_perplexity": result.dense_losses, "pruned_perplexity": result.pruned_losses}
    if recovered is not None:
        losses["perplexity_before_recovery"] = result.pruned_losses
        losses["pruned_perplexity"] = recovered.result.evaluation_losses_after
    pairs = zip(losses["pruned_perplexity"], losses["dense_perplexity"], strict=True)
    losses["perplexity_ratio"] = tuple(pruned - dense for pruned, dense in pairs)
    values = {name: _perplexity(name, mean_loss(of_windows)) for name, of_windows in losses.items()}
    intervals = {name: perplexity_interval(of_windows) for name, of_windows in losses.items()}
    return values | {"intervals": {name: ends for name, ends in intervals.items() if ends}}


def _perplexity(name: str, loss: float | None) -> float | None:
    if loss is None:
        return None
    if not math.isfinite(loss):
        raise NotFiniteError(f"the mean loss of {name}")
    return perplexity(loss)


def _plan_metrics(result: PruningResult, recovered: RecoveredModel | None) -> dict[str, Any]:
    """Return the predicted time, and the predicted and measured peak memory of host and GPU."""
    runs: list[PruningResult | RecoveryResult] = [result]
    if recovered is not None:
        runs.append(recovered.result)
    seconds = [run.plan.seconds for run in runs]
    metrics: dict[str, Any] = {
        "predicted_seconds": None if None in seconds else sum(filter(None, seconds)),
        "peak_memory_bytes": max(run.peak_bytes for run in runs),
        "predicted_peak_memory_bytes": max(run.plan.host_bytes for run in runs),
    }
    if result.device_peak_bytes is not None:
        peaks = [run.device_peak_bytes or 0 for run in runs]
        metrics["device_peak_memory_bytes"] = max(peaks)
        metrics["predicted_device_peak_memory_bytes"] = max(run.plan.device_bytes for run in runs)
    return metrics


def environment_json(job: OpenedJob, result: PruningResult) -> dict[str, Any]:
    """Return the hardware and software that computed the metrics."""
    return {
        "device": str(job.devices[0]),
        "devices": len(job.devices),
        "dtype": dtype_name(job.meta_model.dtype),
        "propagation": result.propagation,
        "dense_loss": origin(result.dense_loss_known),
        **({} if result.scores_known is None else {"scores": origin(result.scores_known)}),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def origin(is_known: bool) -> str:
    """Return where a measurement of the dense model comes from."""
    return "of an earlier job" if is_known else "measured"


def plan_json(plan: Plan) -> dict[str, Any]:
    values = asdict(plan)
    return {**values.pop("setting"), **values}


def block_json(block: BlockResult) -> dict[str, Any]:
    return asdict(block) | {
        "zeros": block.zeros,
        "weights": block.weights,
        "sparsity": block.zeros / block.weights if block.weights else None,
        "coverage": block.coverage,
        "removed": [_removed_json(units) for units in block.removed],
    }


def _removed_json(units: RemovedUnits) -> dict[str, Any]:
    """Return removed units, without the ranges for experts, of which there may be thousands."""
    ranges = () if units.is_routed else units.ranges
    return asdict(units) | {"count": units.count, "ranges": ranges}
