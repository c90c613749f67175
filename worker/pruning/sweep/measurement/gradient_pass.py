"""Gradients of the dense model's loss with respect to each weight, measured block by block."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import torch
from torch import Tensor, nn

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.base.memory import trim_heap
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import TokenLoss, loss_gradient
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.stats.gradient_norms import GradientNorms
from worker.pruning.sweep.recipe.recipe import Recipe

LOSS_SCALE = 2.0**12
"""The factor of the loss, without which gradients would underflow in fp16; a power of two, so that
it loses no bits."""
_PUBLISHED_SCALE = 100.0


class GradientTotals(Protocol):
    """Sums over windows, computed from the gradient of `LOSS_SCALE` times each window's loss."""

    def names(self, index: int, block: nn.Module) -> Iterable[str]:
        """Return the names of the parameters of a block whose gradients are wanted."""

    def add(self, total: Tensor, gradient: Tensor) -> None:
        """Add the gradient of a window's loss to a total, fp32, which starts at zero."""

    def finish(self, index: int, block: nn.Module, totals: Mapping[str, Tensor]) -> None:
        """Use the totals over the windows of all ranks, by name; the block has its weights."""


@dataclass(frozen=True)
class BackwardPass:
    """Runs windows forward and backward through the dense model, one block in memory at a time.

    In the forward pass, each block's inputs are written to files. In the backward pass, each block
    is loaded again, and each window runs forward and backward through it. The gradients of the
    block's inputs are those of the outputs of the block before it. Windows run one at a time,
    because norms need the gradients of single windows. If several windows ran together, only the
    sum of their gradients would be known.

    Attributes:
        block_inputs: embeds the windows and calls the blocks.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``.
        ranks: the ranks that share the windows; totals are over the windows of all ranks.
    """

    meta_model: MetaModel
    block_inputs: BlockInputs
    token_loss: TokenLoss
    ranks: Ranks = SINGLE_PROCESS

    def run(self, windows: Sequence[Tensor], folder: Path, totals: GradientTotals) -> None:
        """Compute the totals of the gradients of each block, from the last block to the first.

        Args:
            windows: this rank's windows of token ids, each ``[1, tokens]``.
            folder: an existing folder for temporary files.
            totals: what is computed.

        Raises:
            NotFiniteError: a gradient contains NaN or infinity.
        """
        with TemporaryDirectory(prefix="inputs-", dir=folder) as scratch:
            inputs = self._forward(windows, Path(scratch))
            gradients = inputs.pop()
            with self.meta_model.loaded_head():
                for window, ids in enumerate(windows):
                    gradients[window] = self._output_gradient(gradients[window], ids)
            for index in reversed(range(len(inputs))):
                if index:
                    self.meta_model.read_ahead(index - 1)
                self._run_block(index, inputs[index], gradients, totals)
                trim_heap()

    def _run_block(
        self, index: int, states: Activations, gradients: Activations, totals: GradientTotals
    ) -> None:
        """Replace the gradients of a block's outputs by those of its inputs ``states``."""
        name = self.meta_model.block_name(index)
        with self.meta_model.loaded_block(index, self.meta_model.read_block(index)) as block:
            weights = {
                parameter: block.get_parameter(parameter)
                for parameter in totals.names(index, block)
            }
            run = partial(self.block_inputs.call, block, index)
            sums = _totals(run, states, gradients, weights, totals.add)
            sums = {parameter: self.ranks.all_reduce(total) for parameter, total in sums.items()}
            for parameter, total in sums.items():
                if not bool(total.sum().isfinite()):
                    raise NotFiniteError(f"the gradient in {name}.{parameter}")
            totals.finish(index, block, sums)

    def _forward(self, windows: Sequence[Tensor], folder: Path) -> list[Activations]:
        """Return the inputs of each block, followed by the outputs of the last block."""
        streams: list[Activations] = []
        for index in range(len(self.meta_model.blocks) + 1):
            (spill := folder / str(index)).mkdir()
            streams.append(Activations(spill))
        with self.meta_model.loaded_embeddings():
            self.block_inputs.embed(windows, streams[0].append)
        for index, (before, after) in enumerate(pairwise(streams)):
            with self.meta_model.loaded_block(index, self.meta_model.read_block(index)) as block:
                for hidden in before:
                    after.append(self.block_inputs.call(block, index, hidden))
            trim_heap()
        return streams

    def _output_gradient(self, hidden: Tensor, ids: Tensor) -> Tensor:
        """Return the gradient of a window's loss with respect to its last hidden states.

        The loss is multiplied by `LOSS_SCALE` first.
        """
        loss = self.token_loss
        return loss_gradient(self.meta_model, self.block_inputs, hidden, ids, loss, LOSS_SCALE)


def gradient_norms(
    backward: BackwardPass, recipe: Recipe, batches: Iterable[Tensor], folder: Path
) -> GradientNorms:
    """Measure the norms of the dense model's gradients, for a score.

    Args:
        backward: runs the windows; the norms are taken over the windows of all its ranks.
        recipe: decides which layers are measured.
        batches: the batches of this rank's token ids, each ``[windows, tokens]``.
        folder: an existing folder for the norms and for temporary files.

    Raises:
        NotFiniteError: a gradient contains NaN or infinity.
    """
    windows = single_windows(batches)
    dtype = torch.float16 if recipe.propagation == "reference" else torch.float32
    norms = GradientNorms(folder, dtype, backward.ranks.sum_of(len(windows)))
    backward.run(windows, folder, _Norms(backward.meta_model, recipe, norms))
    return norms


@dataclass(frozen=True)
class _Norms:
    """Totals of squares, of which the roots are written."""

    meta_model: MetaModel
    recipe: Recipe
    norms: GradientNorms

    def names(self, index: int, block: nn.Module) -> list[str]:
        layers = self.recipe.layers(self.meta_model, index, block)
        return list(dict.fromkeys(layer.weight_name for layer in layers))

    def add(self, total: Tensor, gradient: Tensor) -> None:
        total.addcmul_(gradient.float(), gradient.float())

    def finish(self, index: int, block: nn.Module, totals: Mapping[str, Tensor]) -> None:
        for total in totals.values():
            total.sqrt_().mul_(_PUBLISHED_SCALE / LOSS_SCALE)
        self.norms.write(index, totals)


def single_windows(batches: Iterable[Tensor]) -> list[Tensor]:
    """Return each window ``[1, tokens]`` of batches ``[windows, tokens]``."""
    return [ids for batch in batches for ids in torch.split(batch, 1)]


def _totals(
    run: Callable[[Tensor], Tensor],
    states: Activations,
    gradients: Activations,
    weights: Mapping[str, Tensor],
    add: Callable[[Tensor, Tensor], object],
) -> dict[str, Tensor]:
    """Return the totals of the weights' gradients over this rank's windows, fp32, by name.

    The ``gradients`` of a block's outputs are replaced by those of its inputs ``states``.
    """
    totals = {
        name: torch.zeros_like(weight, dtype=torch.float32) for name, weight in weights.items()
    }
    with _requiring_grad(weights.values()):
        for window, hidden in enumerate(states):
            of_inputs, *of_weights = _gradients(run, hidden, gradients[window], weights.values())
            gradients[window] = of_inputs
            for total, gradient in zip(totals.values(), of_weights, strict=True):
                add(total, gradient)
    return totals


@contextmanager
def _requiring_grad(weights: Iterable[Tensor]) -> Iterator[None]:
    """Let autograd compute the weights' gradients during the body of the ``with`` statement."""
    for weight in weights:
        weight.requires_grad_(True)
    try:
        yield
    finally:
        for weight in weights:
            weight.requires_grad_(False)


def _gradients(
    run: Callable[[Tensor], Tensor], hidden: Tensor, after: Tensor, weights: Iterable[Tensor]
) -> list[Tensor]:
    """Return the gradients of a block's inputs and weights, given the gradients of its outputs.

    The gradients of an expert that no token reached are zeros.
    """
    inputs = hidden.clone().requires_grad_()
    with torch.enable_grad():
        outputs = run(inputs)
    wanted = [inputs, *weights]
    after = after.to(outputs.device)
    return list(torch.autograd.grad(outputs, wanted, after, materialize_grads=True))
