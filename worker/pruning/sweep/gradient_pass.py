"""Gradients of the dense model's loss with respect to each weight, measured block by block."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.base.memory import trim_heap
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import TokenLoss, loss_gradient
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.stats.gradient_norms import GradientNorms
from worker.pruning.sweep.recipe import Recipe

# A power of two, so that it loses no bits; without it gradients would underflow in fp16.
_LOSS_SCALE = 2.0**12
_PUBLISHED_SCALE = 100.0


class GradientPass:
    """Runs windows forward and backward through the dense model, one block in memory at a time.

    In the forward pass, each block's inputs are written to files. In the backward pass, each block
    is loaded again, and each window runs forward and backward through it. The gradients of the
    block's inputs are those of the outputs of the block before it. Windows run one at a time,
    because the norms need the gradients of single windows. If several windows ran together, only
    the sum of their gradients would be known.

    Args:
        meta_model: the model.
        block_inputs: embeds the windows and calls the blocks.
        recipe: decides which layers are measured.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``.
        ranks: the ranks that share the windows; the norms are taken over the windows of all ranks.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        block_inputs: BlockInputs,
        recipe: Recipe,
        token_loss: TokenLoss,
        ranks: Ranks = SINGLE_PROCESS,
    ) -> None:
        self._meta_model, self._block_inputs = meta_model, block_inputs
        self._recipe, self._token_loss, self._ranks = recipe, token_loss, ranks

    def measure(self, batches: Iterable[Tensor], folder: Path) -> GradientNorms:
        """Measure the gradients of all blocks, and return their norms.

        Args:
            batches: the batches of this rank's token ids, each ``[windows, tokens]``.
            folder: an existing folder for the norms and, temporarily, for each block's inputs.

        Raises:
            NotFiniteError: a gradient contains NaN or infinity.
        """
        windows = [ids for batch in batches for ids in torch.split(batch, 1)]
        published = self._recipe.propagation == "reference"
        dtype = torch.float16 if published else torch.float32
        norms = GradientNorms(folder, dtype, self._ranks.sum_of(len(windows)))
        with TemporaryDirectory(prefix="inputs-", dir=folder) as scratch:
            inputs = self._forward(windows, Path(scratch))
            gradients = inputs.pop()
            with self._meta_model.loaded_head():
                for window, ids in enumerate(windows):
                    gradients[window] = self._output_gradient(gradients[window], ids)
            for index in reversed(range(len(inputs))):
                norms.write(index, self._backward(index, inputs[index], gradients))
                trim_heap()
        return norms

    def _forward(self, windows: Sequence[Tensor], folder: Path) -> list[Activations]:
        """Return the inputs of each block, followed by the outputs of the last block."""
        streams: list[Activations] = []
        for index in range(len(self._meta_model.blocks) + 1):
            (spill := folder / str(index)).mkdir()
            streams.append(Activations(spill))
        with self._meta_model.loaded_embeddings():
            self._block_inputs.embed(windows, streams[0].append)
        for index, (before, after) in enumerate(pairwise(streams)):
            with self._meta_model.loaded_block(index, self._meta_model.read_block(index)) as block:
                for hidden in before:
                    after.append(self._block_inputs.call(block, index, hidden))
            trim_heap()
        return streams

    def _output_gradient(self, hidden: Tensor, ids: Tensor) -> Tensor:
        """Return the gradient of a window's loss with respect to its last hidden states.

        The loss is multiplied by ``_LOSS_SCALE`` first.
        """
        loss = self._token_loss
        return loss_gradient(self._meta_model, self._block_inputs, hidden, ids, loss, _LOSS_SCALE)

    def _backward(
        self, index: int, states: Activations, gradients: Activations
    ) -> dict[str, Tensor]:
        """Replace the gradients of a block's outputs by those of its inputs.

        Returns:
            The norms of the weights' gradients over all ranks' windows, fp32, by the parameters'
            names inside the block.
        """
        if index:
            self._meta_model.read_ahead(index - 1)
        name = self._meta_model.block_name(index)
        with self._meta_model.loaded_block(index, self._meta_model.read_block(index)) as block:
            layers = self._recipe.layers(self._meta_model, index, block)
            weights = {layer.weight_name: layer.weight for layer in layers}
            norms = {key: torch.zeros_like(w, dtype=torch.float32) for key, w in weights.items()}
            with _requiring_grad(weights.values()):
                for window, hidden in enumerate(states):
                    run = partial(self._block_inputs.call, block, index)
                    of_inputs, *of_weights = _gradients(
                        run, hidden, gradients[window], weights.values()
                    )
                    gradients[window] = of_inputs
                    _add_squares(norms.values(), of_weights)
        norms = {key: self._ranks.all_reduce(norm) for key, norm in norms.items()}
        for key, norm in norms.items():
            if not bool(norm.sum().isfinite()):
                raise NotFiniteError(f"the gradient in {name}.{key}")
            norm.sqrt_().mul_(_PUBLISHED_SCALE / _LOSS_SCALE)
        return norms


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


def _add_squares(totals: Iterable[Tensor], gradients: Iterable[Tensor]) -> None:
    for total, gradient in zip(totals, gradients, strict=True):
        total.addcmul_(gradient.float(), gradient.float())
