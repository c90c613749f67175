"""Changes of a model built like Llama that leave its outputs as they are: rotations, permutations.

They change transformers' own model in place. The gains of its norms are multiplied into the layers
that read their outputs, because a rotation needs that; the last one is left out, so that hidden
states after it can be compared whatever their basis is.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

SIZE = 4
"""How many neighbouring inputs make a group of a 2:4 matrix, of which each output keeps two."""
_ROWS = 4_096  # of the residual stream's readers, from which its order is chosen
_OF_NORMS = {
    "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
}
_WRITERS = ("self_attn.o_proj", "mlp.down_proj")
LAYERS = (*(name for names in _OF_NORMS.values() for name in names), *_WRITERS)


@torch.no_grad()
def first_blocks(source: Path, count: int) -> Any:
    """Read a model without its later blocks, in float32, with norms without gains."""
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        source, dtype=torch.float32, num_hidden_layers=count
    )
    for block in loaded.model.layers:
        for norm, readers in _OF_NORMS.items():
            gain = block.get_parameter(f"{norm}.weight")
            for name in readers:
                block.get_parameter(f"{name}.weight").mul_(gain)
            nn.init.ones_(gain)
    nn.init.ones_(loaded.model.norm.weight)
    return loaded.eval()


def layer_inputs(model: Any, blocks: range, ids: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the name of each layer of some blocks, and its inputs ``[tokens, features]``, fp32.

    Args:
        model: a model built like Llama.
        blocks: the blocks' indices.
        ids: ``[windows, tokens]`` token ids.
    """
    seen: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[..., None]:
        return lambda _, given: seen.setdefault(name, []).append(given[0].flatten(0, -2))

    names = [f"model.layers.{index}.{layer}" for index in blocks for layer in LAYERS]
    hooks = [model.get_submodule(name).register_forward_pre_hook(keep(name)) for name in names]
    with torch.no_grad():
        for window in ids:
            model.model(window[None], use_cache=False)
    for hook in hooks:
        hook.remove()
    for name in names:
        yield name, torch.cat(seen.pop(name))


class Importance:
    """What decides how a model is changed, from the inputs of its layers.

    Args:
        model: a model built like Llama, which is not modified.
        blocks: the blocks that are pruned.
        ids: ``[windows, tokens]`` token ids.
    """

    def __init__(self, model: Any, blocks: range, ids: Tensor) -> None:
        self.blocks = blocks
        self.covariance = torch.zeros(model.config.hidden_size, model.config.hidden_size).double()
        self._scores: dict[str, Tensor] = {}
        for name, inputs in layer_inputs(model, blocks, ids):
            weight = model.get_submodule(name).weight.detach()
            self._scores[name] = weight.abs() * inputs.square().sum(0).sqrt()
            if name.endswith(tuple(first for first, *_ in _OF_NORMS.values())):
                self.covariance += (inputs.T @ inputs).double() / len(inputs)

    def scores(self, index: int, layer: str) -> Tensor:
        """Return |W| · ‖x‖ of each weight of a layer, ``[out, in]``."""
        return self._scores[f"model.layers.{index}.{layer}"]


def spread(scores: Tensor) -> Tensor:
    """Return an order of columns in which those with large scores are in different groups.

    Each group begins with one of the largest columns and one of the next ones, in the opposite
    order. A further column goes where the most of it is kept: to the group in which it adds the
    most to the two largest scores of each row.

    Args:
        scores: ``[rows, columns]``.

    Returns:
        ``[columns]`` int64, the columns group by group.
    """
    count = scores.shape[1] // SIZE
    columns = scores.sum(0).argsort(descending=True, stable=True)
    firsts, seconds = columns[:count], columns[count : 2 * count].flip(0)
    groups = [list(pair) for pair in zip(firsts.tolist(), seconds.tolist(), strict=True)]
    largest = scores[:, firsts].maximum(scores[:, seconds])
    second = scores[:, firsts].minimum(scores[:, seconds])
    for column in columns[2 * count :].tolist():
        added = scores[:, column, None]
        gains = (added - second).clamp_min_(0).sum(0)
        gains[torch.tensor([len(group) == SIZE for group in groups])] = -1
        chosen = int(gains.argmax())
        groups[chosen].append(column)
        kept = torch.stack([largest[:, chosen], second[:, chosen], added[:, 0]]).sort(0).values
        second[:, chosen], largest[:, chosen] = kept[1], kept[2]
    return torch.tensor(groups).flatten()


@torch.no_grad()
def rotate_residual(model: Any, importance: Importance) -> None:
    """Write the residual stream in the basis of its main components, the largest first."""
    basis = torch.linalg.eigh(importance.covariance).eigenvectors.flip(1)
    _change_residual(model, lambda rows: (rows.double() @ basis).float())


@torch.no_grad()
def permute_residual(model: Any, importance: Importance) -> None:
    """Permute the residual stream for all matrices that read it."""
    readers = [name for names in _OF_NORMS.values() for name in names]
    scores = torch.cat(
        [importance.scores(index, name) for index in importance.blocks for name in readers]
    )
    order = spread(scores[:: -(-len(scores) // _ROWS)])
    _change_residual(model, lambda rows: rows[..., order])


@torch.no_grad()
def permute_mlps(model: Any, importance: Importance) -> None:
    """Permute the channels of each MLP for the matrix that reads them."""
    for index in importance.blocks:
        mlp = model.model.layers[index].mlp
        order = spread(importance.scores(index, "mlp.down_proj"))
        for layer in (mlp.gate_proj, mlp.up_proj):
            layer.weight.copy_(layer.weight[order])
        mlp.down_proj.weight.copy_(mlp.down_proj.weight[:, order])


@torch.no_grad()
def permute_heads(model: Any, importance: Importance) -> None:
    """Permute the values of each head, for all heads that share them."""
    config = model.config
    heads, groups = config.num_attention_heads, config.num_key_value_heads
    for index in importance.blocks:
        attention = model.model.layers[index].self_attn
        values, outputs = attention.v_proj.weight, attention.o_proj.weight
        shape = (len(outputs), groups, heads // groups, -1)
        scores = importance.scores(index, "self_attn.o_proj").view(shape)
        for group in range(groups):
            order = spread(scores[:, group].flatten(0, 1))
            own = values.view(groups, len(order), -1)[group]
            own.copy_(own[order])
            columns = outputs.view(shape)[:, group]
            columns.copy_(columns[..., order])


def permute_all(model: Any, importance: Importance) -> None:
    """Make all permutations."""
    for change in (permute_residual, permute_mlps, permute_heads):
        change(model, importance)


def _change_residual(model: Any, change: Callable[[Tensor], Tensor]) -> None:
    """Change the basis of the residual stream; ``change`` returns rows in the new one."""
    table = model.model.embed_tokens.weight
    table.copy_(change(table))
    for block in model.model.layers:
        for name in LAYERS:
            weight = block.get_parameter(f"{name}.weight")
            weight.copy_(change(weight.T).T if name in _WRITERS else change(weight))


Change = Callable[[Any, Importance], None]
NONE = "as it is"
CHANGES: dict[str, tuple[Change, ...]] = {
    NONE: (),
    "rotated": (rotate_residual,),
    "residual stream permuted": (permute_residual,),
    "MLP channels permuted": (permute_mlps,),
    "values of heads permuted": (permute_heads,),
    "all permuted": (permute_all,),
    "rotated, then all permuted": (rotate_residual, permute_all),
}
