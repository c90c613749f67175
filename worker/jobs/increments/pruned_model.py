"""The pruned model of a job, and what was measured of it, which can be stored as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from worker.pruning.base.increments import AT_ONCE, Increment
from worker.pruning.model.shards import Shard
from worker.pruning.sweep.results import BlockResult


@dataclass(frozen=True)
class PrunedModel:
    """A model that a sweep has pruned and that, if the job has a recovery, has been trained.

    Attributes:
        blocks: the results of the blocks.
        shards: the files of the weights.
        metrics: the metrics of the sweep and the recovery, ready for JSON.
        report: the parts of the report about how the model was made, ready for JSON.
        setting: the setting of the sweep, ready for JSON.
        dense_losses: the dense model's loss on each evaluation window.
        increment: the increment that made the model.
        warnings: sentences for the report about the model.
        probabilities: those of all units at the end of a search; None if there was no search.
        distances: the numbers of `WindowDistance` of the first evaluation windows; empty if the
            sweep has not compared this model with the job's dense one.
    """

    blocks: tuple[BlockResult, ...]
    shards: tuple[Shard, ...]
    metrics: dict[str, Any]
    report: dict[str, Any]
    setting: dict[str, Any]
    dense_losses: tuple[float, ...]
    increment: Increment = AT_ONCE
    warnings: tuple[str, ...] = ()
    probabilities: tuple[float, ...] | None = None
    distances: tuple[tuple[float, ...], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return all fields ready for JSON; `from_json` restores the model from them."""
        return vars(self) | {
            "blocks": [block.as_json() for block in self.blocks],
            "shards": [shard._asdict() for shard in self.shards],
            "increment": vars(self.increment),
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the model from its `as_json`, after conversion to JSON and back."""
        parsed: dict[str, Any] = {
            "blocks": tuple(BlockResult.from_json(block) for block in fields["blocks"]),
            "shards": tuple(Shard(**shard) for shard in fields["shards"]),
            "dense_losses": tuple(fields["dense_losses"]),
            "increment": Increment(**fields["increment"]),
            "warnings": tuple(fields["warnings"]),
            "distances": tuple(map(tuple, fields["distances"])),
            "probabilities": None
            if (probabilities := fields["probabilities"]) is None
            else tuple(probabilities),
        }
        return cls(**{**fields, **parsed})
