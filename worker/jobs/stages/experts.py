"""The removal of experts of a job: what each layer has lost, and the file of those that stay."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from worker.jobs.opened_job import OpenedJob
from worker.jobs.stages.stage import Measured, Stage, WrittenModel
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.sweep.experts.removing import RemovingExperts

KEPT_EXPERTS = "kept_experts.json"
"""The file with the indices, in the dense model, of the experts of each layer of the result."""


@dataclass(frozen=True)
class ExpertsStage(Stage):
    """The removal of experts of a job; ``settings`` are how many stay, and which."""

    part = "experts"
    settings: ExpertSettings

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        removing = job.recipe.stage(RemovingExperts)
        return None if removing is None else cls(removing.settings)

    def results(self, model: WrittenModel) -> Measured:
        """Write the file of the experts that stay; return metrics over all layers."""
        layers = {
            f"{block.name}.{block.experts.name}": block.experts
            for block in model.blocks
            if block.experts is not None
        }
        kept = {name: list(layer.kept) for name, layer in layers.items()}
        (model.folder / KEPT_EXPERTS).write_text(json.dumps(kept, indent=1) + "\n")
        first, *_ = layers.values()
        gates = [layer.gate_removed for layer in layers.values()]
        measured = {
            "experts": len(first.scores),
            "kept": len(first.kept),
            "layers": len(layers),
            "gate_removed": sum(gates) / len(gates),
            "gate_removed_max": max(gates),
            "unrouted": sum(layer.unrouted for layer in layers.values()) / len(layers),
            "unused": sum(layer.tokens.count(0) for layer in layers.values()),
        }
        return Measured({self.part: measured}, asdict(self.settings))

    def complete(self, out: Path) -> tuple[str, ...]:
        return (KEPT_EXPERTS,)

    @staticmethod
    def card(part: Any, measured: Any) -> Iterable[str]:
        way = "[REAP](https://arxiv.org/abs/2510.13999)"
        if part["score"] == "frequency":
            way = "the number of tokens that are routed to them"
        yield (
            f"{measured['kept']} of {measured['experts']} experts kept in each of "
            f"{measured['layers']} layers, chosen by {way}; `{KEPT_EXPERTS}` lists them"
        )
        yield (
            f"the removed ones had {measured['gate_removed']:.1%} of the gates' weight on the "
            f"calibration text, at most {measured['gate_removed_max']:.1%} in a layer; "
            f"{measured['unrouted']:.2%} of its tokens lost all of their experts in a layer"
        )
