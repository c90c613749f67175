"""Hooks that report the inputs of a block's layers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from worker.pruning.model.expert_products import OnInputs, observed_products
from worker.pruning.model.linear_layers import LinearLayer


@contextmanager
def hooked(layers: Sequence[LinearLayer], report: OnInputs) -> Iterator[None]:
    """During the ``with`` body, call ``report(i, inputs)`` before each forward of layer i."""
    with ExitStack() as stack:
        for index, layer in enumerate(layers):
            if layer.expert is None:
                handle = layer.module.register_forward_pre_hook(_module_hook(index, report))
                stack.callback(handle.remove)
        for indices in _stacks(layers):
            first = layers[next(iter(indices.values()))]
            report_expert = _expert_hook(indices, report)
            stack.enter_context(
                observed_products(first.module, first.parameter, first.transposed, report_expert)
            )
        yield


def _stacks(layers: Sequence[LinearLayer]) -> Iterable[dict[int, int]]:
    """Return, for each 3-D parameter, a dict from the index of an expert to that of its layer."""
    stacks: dict[str, dict[int, int]] = {}
    for index, layer in enumerate(layers):
        if layer.expert is not None:
            stacks.setdefault(layer.weight_name, {})[layer.expert] = index
    return stacks.values()


def _module_hook(index: int, report: OnInputs) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    return lambda _module, args: report(index, args[0])


def _expert_hook(indices: dict[int, int], report: OnInputs) -> OnInputs:
    def report_expert(expert: int, inputs: Tensor) -> None:
        if expert in indices:
            report(indices[expert], inputs)

    return report_expert
