"""How strongly the dense model's loss depends on each weight, measured block by block."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file
from torch import Tensor

from worker.pruning.base.durable_files import save_tensors
from worker.pruning.base.errors import NotFiniteError
from worker.pruning.base.memory import trim_heap
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.activations import Activations
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import TokenLoss, loss_gradient
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.recipe import Recipe

# A power of two, so that it costs no bits; in fp16 gradients would fall to zero without it.
_LOSS_SCALE = 2.0**12
_PUBLISHED_SCALE = 100.0


@dataclass(frozen=True)
class BlockGradients:
    """The norms of the gradients in one block's weights.

    Attributes:
        norms: over all windows, fp32, shaped as stored, by the parameters' names inside the block.
        windows: how many.
    """

    norms: Mapping[str, Tensor]
    windows: int


class GradientNorms:
    """How strongly the loss depends on each weight, in one file per block.

    The norm, over all windows, of 100 times the gradient of a window's mean loss per token in the
    dense model.

    Args:
        folder: an existing folder for the files.
        dtype: what the files hold: fp16 as published, or fp32.
        windows: how many were measured.
    """

    def __init__(self, folder: Path, dtype: torch.dtype, windows: int) -> None:
        self._folder, self._dtype, self._windows = folder, dtype, windows

    def write(self, index: int, norms: Mapping[str, Tensor]) -> None:
        """Keep the norms of block ``index`` by the names of its parameters inside it."""
        most = torch.finfo(self._dtype).max
        stored = {name: norm.clamp(max=most).to("cpu", self._dtype) for name, norm in norms.items()}
        save_tensors(stored, self._file(index))

    def read(self, index: int) -> BlockGradients:
        """Return those of block ``index``."""
        found = load_file(self._file(index))
        return BlockGradients({name: norm.float() for name, norm in found.items()}, self._windows)

    def _file(self, index: int) -> Path:
        return self._folder / f"block-{index}.safetensors"


class BackwardSweep:
    """Runs windows through the dense model and back, with one block in memory at a time.

    Forward, each block's inputs are put into files; backward, a block is read again, run again on
    each window with gradients, and gives its inputs' gradients to the block before it. One window
    runs at a time: the norm is over windows, and the gradient of several together would be their
    sum.

    Args:
        meta_model: the model.
        block_inputs: embeds the windows and calls the blocks.
        recipe: says which layers count.
        token_loss: ``(logits [n, vocabulary], targets [n]) -> [n]``.
        ranks: the norms are taken over the windows of all.
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
        """Return the norms of all blocks' gradients.

        Args:
            batches: the token ids, each ``[windows, tokens]``.
            folder: an existing folder for the result, and for each block's inputs meanwhile.

        Raises:
            NotFiniteError: a gradient holds NaN or infinity.
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
                    gradients[window] = self._leave(gradients[window], ids)
            for index in reversed(range(len(inputs))):
                norms.write(index, self._take_back(index, inputs[index], gradients))
                trim_heap()
        return norms

    def _forward(self, windows: Sequence[Tensor], folder: Path) -> list[Activations]:
        """Return each block's inputs, and after them the last one's outputs."""
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

    def _leave(self, hidden: Tensor, ids: Tensor) -> Tensor:
        """Return the gradient in a window's last hidden state."""
        loss = self._token_loss
        return loss_gradient(self._meta_model, self._block_inputs, hidden, ids, loss, _LOSS_SCALE)

    def _take_back(
        self, index: int, states: Activations, gradients: Activations
    ) -> dict[str, Tensor]:
        """Replace the gradients in a block's outputs by those in its inputs; return the norms."""
        if index:
            self._meta_model.read_ahead(index - 1)
        name = self._meta_model.block_name(index)
        with self._meta_model.loaded_block(index, self._meta_model.read_block(index)) as block:
            layers = self._recipe.layers(name, block)
            weights = {layer.weight_name: layer.weight for layer in layers}
            norms = {key: torch.zeros_like(w, dtype=torch.float32) for key, w in weights.items()}
            with _differentiated(weights.values()):
                for window, hidden in enumerate(states):
                    run = partial(self._block_inputs.call, block, index)
                    own, *others = _gradients(run, hidden, gradients[window], weights.values())
                    gradients[window] = own
                    _add_squares(norms.values(), others)
        norms = {key: self._ranks.all_reduce(norm) for key, norm in norms.items()}
        for key, norm in norms.items():
            if not bool(norm.sum().isfinite()):
                raise NotFiniteError(f"the gradient in {name}.{key}")
            norm.sqrt_().mul_(_PUBLISHED_SCALE / _LOSS_SCALE)
        return norms


@contextmanager
def _differentiated(weights: Iterable[Tensor]) -> Iterator[None]:
    """Have gradients of the weights computed, and not of what takes their place later."""
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
    """Return the gradients in a block's inputs and in its weights, given those in its outputs.

    An expert that saw no token has zeros.
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
