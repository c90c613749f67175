"""The report of a finished job, ready for JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
import transformers

from db.spec.prune_spec import PruneSpec
from worker.evaluation.perplexity import perplexity
from worker.pruning.base.compute import dtype_name
from worker.pruning.base.errors import NotFiniteError
from worker.pruning.planning.plan import Plan
from worker.pruning.sweep.results import BlockResult, PruningResult
from worker.sources.models import ModelFolder
from worker.sources.windows import Windows


def job_report(
    spec: PruneSpec,
    model: ModelFolder,
    calibration: Windows,
    evaluation: Windows,
    environment: dict[str, Any],
    result: PruningResult,
    blocks: Sequence[BlockResult],
) -> dict[str, Any]:
    """Return everything that was measured and how, as in ``report.json``.

    Raises:
        NotFiniteError: a loss is not a finite number.
    """
    protocol = evaluation.provenance | {"dtype": environment["dtype"]}
    return {
        "spec": spec.model_dump(mode="json"),
        "model": {"name": model.name, "revision": model.revision},
        "metrics": job_metrics(result, blocks) | {"protocol": protocol},
        "computed": environment,
        "plan": plan_json(result.plan),
        "calibration": calibration.provenance,
        "evaluation": protocol,
        "resumed_from_block": result.resumed_from_block,
        "blocks": [block_json(block) for block in blocks],
    }


def job_metrics(result: PruningResult, blocks: Sequence[BlockResult]) -> dict[str, Any]:
    """Return the metrics by name.

    Raises:
        NotFiniteError: a loss is not a finite number.
    """
    zeros, weights = sum(b.zeros for b in blocks), sum(b.weights for b in blocks)
    metrics: dict[str, Any] = {
        **_perplexities(result),
        "sparsity": zeros / weights,
        "zeros": zeros,
        "weights": weights,
        "coverage": weights / sum(b.parameters for b in blocks),
        "dense_loss_known": result.dense_loss_known,
        "fallbacks": sum(layer.fallback is not None for b in blocks for layer in b.layers),
        "prune_seconds": result.prune_seconds,
        "evaluate_seconds": result.evaluate_seconds,
        "predicted_seconds": result.plan.seconds,
        "peak_memory_bytes": result.peak_bytes,
        "predicted_peak_memory_bytes": result.plan.host_bytes,
    }
    if result.device_peak_bytes is not None:
        metrics["device_peak_memory_bytes"] = result.device_peak_bytes
        metrics["predicted_device_peak_memory_bytes"] = result.plan.device_bytes
    return metrics


def _perplexities(result: PruningResult) -> dict[str, float | None]:
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


def environment_json(
    devices: Sequence[torch.device], dtype: torch.dtype, result: PruningResult
) -> dict[str, Any]:
    """Return the hardware and software that computed the metrics."""
    return {
        "device": str(devices[0]),
        "devices": len(devices),
        "dtype": dtype_name(dtype),
        "propagation": result.propagation,
        "dense_loss": "of an earlier job" if result.dense_loss_known else "measured",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def plan_json(plan: Plan) -> dict[str, Any]:
    values = asdict(plan)
    return {**values.pop("setting"), **values}


def block_json(block: BlockResult) -> dict[str, Any]:
    return asdict(block) | {
        "zeros": block.zeros,
        "weights": block.weights,
        "sparsity": block.zeros / block.weights if block.weights else None,
        "coverage": block.coverage,
    }
