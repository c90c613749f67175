"""An implementation of Z-Pruner in the manner of published pruning code, for comparison.

The whole model is in memory, each block takes two forward passes, and scores are fully sorted. Only
for benchmarks: it supports only Llama-like models (``model.model.layers``) on a CPU.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel


class _FirstBlockReachedError(Exception):
    """Raised to end a forward pass once the first block's input has been captured."""


class InputNorms:
    """The L2 norm of each input feature, updated sample by sample in fp32."""

    def __init__(self, layer: nn.Linear) -> None:
        self._mean_sq = torch.zeros(layer.in_features)
        self._samples = 0

    def add(self, inputs: Tensor) -> None:
        """Add one sample ``[1, tokens, in]``."""
        self._mean_sq *= self._samples / (self._samples + 1)
        self._samples += 1
        columns = inputs.reshape(-1, inputs.shape[-1]).T.float()  # [in, tokens]
        self._mean_sq += columns.norm(p=2, dim=1).square() / self._samples

    def norms(self) -> Tensor:
        """Return the norms ``[in]``, divided by the square root of the number of samples."""
        return self._mean_sq.sqrt()


@torch.no_grad()
def prune_whole_model(model: PreTrainedModel, windows: Tensor, sparsity: float) -> None:
    """Prune every linear layer of every block in place.

    All samples pass through a block one by one, while the norms of the inputs are collected. Then
    the block is pruned, and a second pass of all samples computes the inputs of the next block.

    Args:
        model: a Llama-like decoder, fully loaded.
        windows: token ids for calibration, ``[samples, tokens]`` int64.
        sparsity: share of each matrix to prune; as in the published code, one weight more than this
            share is pruned.
    """
    states, arguments = _first_inputs(model, windows)
    for block in model.model.layers:
        layers = {name: m for name, m in block.named_modules() if isinstance(m, nn.Linear)}
        norms = {name: InputNorms(layer) for name, layer in layers.items()}
        with _collecting(layers, norms):
            _forward(block, states, arguments)
        for name, layer in layers.items():
            _prune(layer.weight, norms[name].norms(), sparsity)
        states = _forward(block, states, arguments)


def score(weight: Tensor, input_norm: Tensor) -> Tensor:
    """Compute Z-Pruner's scores ``[out, in]`` of a matrix, term by term (arXiv:2508.15828)."""
    magnitude = weight.abs()
    small = (magnitude < 0.1 * magnitude.mean()).float().mean()
    alpha = 0.7 * (1 - 0.3 * small)
    rows = weight / weight.norm(p=2, dim=1, keepdim=True)
    columns = weight / weight.norm(p=2, dim=0, keepdim=True)
    rows = (rows - rows.mean()) / rows.std()
    columns = (columns - columns.mean()) / columns.std()
    combined: Tensor = alpha * rows.abs() ** 3 + (1 - alpha) * columns.abs() ** 3
    return combined * input_norm.reshape(1, -1) ** 1.5


def _prune(weight: Tensor, input_norm: Tensor, sparsity: float) -> None:
    scores = score(weight.float(), input_norm)
    threshold = torch.sort(scores.flatten()).values[int(weight.numel() * sparsity)]
    weight[scores <= threshold] = 0


def _forward(block: nn.Module, states: list[Tensor], arguments: dict[str, Any]) -> list[Tensor]:
    outputs = [block(hidden, **arguments) for hidden in states]
    return [output[0] if isinstance(output, tuple) else output for output in outputs]


def _first_inputs(model: PreTrainedModel, windows: Tensor) -> tuple[list[Tensor], dict[str, Any]]:
    """Return each sample's input to the first block, and that block's keyword arguments.

    Each input is ``[1, tokens, hidden]``.
    """
    states: list[Tensor] = []
    arguments: dict[str, Any] = {}

    def capture(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        states.append(args[0])
        arguments.update(kwargs)
        raise _FirstBlockReachedError

    handle = model.model.layers[0].register_forward_pre_hook(capture, with_kwargs=True)
    for window in windows:
        try:
            model(window[None], use_cache=False)
        except _FirstBlockReachedError:
            continue
    handle.remove()
    return states, arguments


@contextmanager
def _collecting(layers: dict[str, nn.Linear], norms: dict[str, InputNorms]) -> Iterator[None]:
    """Add the inputs of each layer to its ``InputNorms`` during the ``with`` block."""

    def hook(name: str) -> Any:
        return lambda _module, inputs, _output: norms[name].add(inputs[0].detach())

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.callback(layer.register_forward_hook(hook(name)).remove)
        yield
