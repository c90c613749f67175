"""The part of a recovery that one process runs."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from worker.evaluation.perplexity import token_loss
from worker.pruning.base.speed import Speed
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.methods.patterns import Pattern
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Measure
from worker.recovery.recover import ModelRecovery
from worker.recovery.results import RecoveryProgress, RecoveryResult
from worker.recovery.settings import Recovery


@dataclass(frozen=True)
class RecoveryTask:
    """Everything that a process needs to run its part of a recovery.

    Attributes:
        dense: the folder of the dense model.
        config, pruned: the folders of the pruned model's config, and of its weights.
        dtype: the dtype of the forward passes.
        settings: how the model is trained.
        pattern: the pattern that masks of the kind ``ast`` must satisfy; None if none is known.
        training, held_out, evaluation: the windows of token ids, each tensor ``[windows, tokens]``.
        out: the folder of the result.
        seed: determines the order of the windows, and the initial values of adapters.
        memory_budget_bytes: the maximum memory of one process; None for no limit.
        speed: the machine's speed, if it is known.
        measure: measures each shard while its tensors are in memory; None to measure nothing.
        sources: the number of the text that each held-out window is from.
        known: the folder of what is known of dense models; None to read and store nothing.
    """

    dense: Path
    config: Path
    pruned: Path
    dtype: torch.dtype
    settings: Recovery
    pattern: Pattern | None
    training: Tensor
    held_out: Tensor
    evaluation: Tensor
    out: Path
    seed: int
    memory_budget_bytes: int | None
    speed: Speed | None
    measure: Measure | None
    sources: tuple[int, ...]
    known: Path | None

    def open(self, ranks: Ranks, device: torch.device) -> ModelRecovery:
        """Prepare the recovery, or resume one from its files."""
        return ModelRecovery(
            MetaModel.open(self.dense, self.dtype, device),
            MetaModel.open(self.config, self.dtype, device, weights=self.pruned),
            self.settings,
            self.pattern,
            self.training,
            self.held_out,
            self.evaluation,
            self.out,
            token_loss,
            seed=self.seed,
            memory_budget_bytes=self.memory_budget_bytes,
            ranks=ranks,
            speed=self.speed,
            measure=self.measure,
            sources=self.sources,
            known=self.known,
        )

    def run(
        self, ranks: Ranks, device: torch.device
    ) -> Generator[RecoveryProgress, None, RecoveryResult]:
        """Run the recovery as one of its ranks."""
        return self.open(ranks, device).run()
