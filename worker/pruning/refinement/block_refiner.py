"""The refinement of a model's blocks, one after the other."""

import math
from collections.abc import Generator, Sequence
from functools import partial

from torch import Tensor, nn

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.base.stage_progress import StageProgress
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.refinement.block_targets import BlockTargets
from worker.pruning.refinement.block_training import BlockTraining
from worker.pruning.refinement.groups import Group, trained_groups
from worker.pruning.refinement.learning_rate import default_learning_rate, scheduled
from worker.pruning.refinement.results import RefinementResult
from worker.pruning.refinement.settings import Refinement
from worker.pruning.refinement.token_weights import TokenWeights
from worker.pruning.refinement.trained_weight import TrainedWeight
from worker.pruning.refinement.window_draw import WindowDraw


class BlockRefiner:
    """Trains the kept weights of pruned blocks and, if requested, the blocks' norms.

    The method is EBFT (Guo et al., arXiv:2402.12419). The state with the lowest loss on held-out
    windows is kept. This loss is measured with the weights rounded as they would be stored.

    Args:
        refinement: how blocks are trained.
        windows: the token ids ``[windows, tokens]`` of all ranks' calibration windows.
        block_inputs: calls the model's blocks.
        ranks: the ranks that share the windows. Every rank takes every optimizer step on its own
            copy of the weights.

    Attributes:
        tokens: number of tokens of each window that are used, see `WindowCounts`.

    Raises:
        RefinementError: there are too few windows.
    """

    def __init__(
        self,
        refinement: Refinement,
        windows: Tensor,
        meta_model: MetaModel,
        block_inputs: BlockInputs,
        ranks: Ranks,
    ) -> None:
        self._refinement, self._ids, self._ranks = refinement, windows, ranks
        self._meta_model, self._block_inputs = meta_model, block_inputs
        counts = refinement.window_counts(*windows.shape)
        self._draw = WindowDraw(counts, refinement.seed, refinement.first_step)
        self.tokens = counts.tokens
        stored = meta_model.checkpoint.tensors.values()
        size = sum(math.prod(tensor.shape) for tensor in stored)
        highest = refinement.learning_rate or default_learning_rate(size)
        steps = refinement.steps
        self._rate, self._rates = highest, [scheduled(highest, at, steps) for at in range(steps)]

    def embed(self) -> None:
        """Record the arguments that the blocks are called with during the training.

        They are recorded for a batch of one window, and for a batch of as many windows as an
        optimizer step uses. The embeddings have to be loaded.
        """
        samples = [self._ids[:count] for count in sorted({1, self._draw.per_step})]
        self._block_inputs.embed(samples, lambda _: None)
        for sample in samples:
            self._block_inputs.add_first_tokens(sample.shape, self.tokens)

    def run(
        self,
        block: nn.Module,
        index: int,
        stored: dict[str, Tensor],
        layers: Sequence[LinearLayer],
        targets: BlockTargets,
    ) -> Generator[StageProgress, None, RefinementResult]:
        """Train a block's kept weights in place, both in ``block`` and in ``stored``.

        Args:
            block: the block with its pruned weights.
            index: index of the block.
            stored: the block's parameters in their stored dtype; only rank 0's values are used.
            layers: the block's pruned layers.
            targets: the block's inputs, and its target outputs.

        Yields:
            The progress after each step.

        Raises:
            NotFiniteError: the loss on the held-out windows is not finite before the training.
        """
        training = self._training(block, index, targets)
        before = best = training.held_out_loss()
        if not math.isfinite(before):
            raise NotFiniteError(f"the output of {self._meta_model.block_name(index)}")
        groups = trained_groups(block, layers, self._refinement)
        for name in dict.fromkeys(name for group in groups for name in group):
            self._ranks.broadcast(stored[name])  # only rank 0 has pruned its own
        for group in groups:
            best = yield from self._train(group, block, index, stored, training, best)
        return RefinementResult(before, best, self._rate)

    def _train(
        self,
        group: Group,
        block: nn.Module,
        index: int,
        stored: dict[str, Tensor],
        training: BlockTraining,
        best: float,
    ) -> Generator[StageProgress, None, float]:
        """Train one group of parameters, and leave them in their best state.

        This is a separate function, so that the master copies of these parameters are freed before
        those of the next group are made.
        """
        weights = [
            TrainedWeight(block.get_parameter(name), stored[name], layers)
            for name, layers in group.items()
        ]
        try:
            best = yield from training.train(weights, best, index, self._rates)
            for name in group:
                self._ranks.broadcast(stored[name])  # in case two devices round differently
        finally:
            for weight in weights:
                weight.restore()
        return best

    def _training(self, block: nn.Module, index: int, targets: BlockTargets) -> BlockTraining:
        hidden = self._meta_model.config.hidden_size
        windows = [*self._draw.training, *self._draw.held_out]
        weights = TokenWeights(targets, windows, hidden, self._ranks)
        forward = partial(self._block_inputs.call, block, index)
        return BlockTraining(forward, targets, weights, self._draw, self._ranks)
