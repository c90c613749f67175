"""The optimizer steps that train a block towards its target outputs."""

import math
from collections.abc import Callable, Generator, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from worker.pruning.base.stage_progress import StageProgress
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.refinement.block_targets import BlockTargets
from worker.pruning.refinement.settings import CHECKS
from worker.pruning.refinement.token_weights import TokenWeights
from worker.pruning.refinement.trained_weight import TrainedWeight
from worker.pruning.refinement.window_draw import WindowDraw

_BETAS = (0.9, 0.95)
_MAX_GRADIENT_NORM = 1.0
# A power of two, so that it loses no bits; without it gradients would underflow in fp16.
_LOSS_SCALE = 2.0**12


class BlockTraining:
    """The training of one block.

    A window's error is ``Σ w ‖f(x̂) - y‖²`` over its tokens, with the block f, its inputs x̂, the
    target outputs y and the tokens' weights w. The loss is the mean error per window, divided by
    the mean of ``Σ w ‖y - mean y‖²`` per window. The divisor is the same for all losses: it is
    taken over the windows that are trained on and those that are held out.

    Args:
        forward: runs inputs ``[windows, tokens, hidden]`` through the block.
        targets: inputs and target outputs of this rank's windows.
        weights: the tokens' weights w.
        windows: which windows are trained on, and which are held out.
        ranks: the ranks. Each computes the gradients of its own windows, and every rank takes the
            optimizer step with the sum of these gradients.
    """

    def __init__(
        self,
        forward: Callable[[Tensor], Tensor],
        targets: BlockTargets,
        weights: TokenWeights,
        windows: WindowDraw,
        ranks: Ranks,
    ) -> None:
        self._forward, self._targets, self._weights = forward, targets, weights
        self._windows, self._ranks = windows, ranks

    def held_out_loss(self) -> float:
        """Return the loss on the held-out windows."""
        held_out = self._windows.held_out
        total = torch.zeros((), dtype=torch.float64)
        for piece in self._pieces(held_out):
            total += self._error(piece).double().cpu()
        return float(self._ranks.all_reduce(total)) / (len(held_out) * self._weights.window_scale)

    def train(
        self, weights: Sequence[TrainedWeight], best: float, block: int, rates: Sequence[float]
    ) -> Generator[StageProgress, None, float]:
        """Run the optimizer steps, and store the weights with the lowest held-out loss.

        The held-out loss is measured at most four times, at about equal intervals, the last time
        after the last step.

        Args:
            weights: the weights to train.
            best: the held-out loss of the stored weights.
            block: index of the block.
            rates: the learning rate of each step.

        Yields:
            The progress after each step.

        Returns:
            The held-out loss of the weights that are stored at the end.
        """
        masters = [weight.master for weight in weights]
        optimizer = AdamW(masters, betas=_BETAS, weight_decay=0.0, fused=True)
        checks = {math.ceil(len(rates) * check / CHECKS) for check in range(1, CHECKS + 1)}
        batches = self._windows.batches(block, len(rates))
        for step, (batch, rate) in enumerate(zip(batches, rates, strict=True), 1):
            self._add_gradients(batch)
            for weight in weights:
                weight.take_gradient(self._ranks, _LOSS_SCALE)
            optimizer.param_groups[0]["lr"] = rate
            if bool(clip_grad_norm_(masters, _MAX_GRADIENT_NORM).isfinite()):
                optimizer.step()
            optimizer.zero_grad()
            for weight in weights:
                weight.use_master()
            if step in checks:
                best = self._store_if_better(weights, best)
            yield StageProgress(block, step, len(rates))
        return best

    def _add_gradients(self, batch: Sequence[int]) -> None:
        for piece in self._pieces(batch):
            with torch.enable_grad():
                loss = self._error(piece) * (
                    _LOSS_SCALE / (len(batch) * self._weights.window_scale)
                )
            if loss.requires_grad:  # not if the tokens reach none of the experts that are trained
                torch.autograd.backward(loss)

    def _store_if_better(self, weights: Sequence[TrainedWeight], best: float) -> float:
        """Store the current state if its held-out loss is below ``best``; return the lower loss."""
        for weight in weights:
            weight.use_rounded()
        loss = self.held_out_loss()
        is_better = loss < best
        for weight in weights:
            if is_better:
                weight.store()
            weight.use_master()
        return loss if is_better else best

    def _error(self, windows: Sequence[int]) -> Tensor:
        """Return the weighted squared error of the block's outputs for some of this rank's windows.

        It is summed over the windows, in fp32.
        """
        outputs = self._forward(self._targets.inputs(windows)).float()
        errors = (outputs - self._targets.outputs(windows).to(outputs.device)).square().sum(-1)
        return (errors * self._weights.of(windows).to(outputs.device)).sum()

    def _pieces(self, windows: Sequence[int]) -> Iterator[list[int]]:
        """Yield this rank's share of the windows, ``per_step`` at a time, and the rest one by one.

        For batches of other sizes, the block's arguments, such as masks, have not been recorded.
        """
        owned, size = self._targets.owned(windows), self._windows.per_step
        whole = len(owned) // size * size
        for start in range(0, whole, size):
            yield owned[start : start + size]
        for window in owned[whole:]:
            yield [window]
