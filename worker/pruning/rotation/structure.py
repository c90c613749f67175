"""Whether a model can be rotated: which of its layers read and write the residual stream."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn

from worker.pruning.base.errors import RotationError
from worker.pruning.model.meta_model import MetaModel

READERS: Mapping[str, tuple[str, ...]] = {
    "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
}
"""The layers of a block that read the residual stream, by the norm before them."""
WRITERS = ("self_attn.o_proj", "mlp.down_proj")
"""The layers that add to the residual stream."""
VALUES, OUTPUTS = "self_attn.v_proj", "self_attn.o_proj"
"""The layers between which each head's values can be rotated."""
_LAYERS = (*(name for names in READERS.values() for name in names), *WRITERS)
_OF_HEADS = ("self_attn.q_norm.weight", "self_attn.k_norm.weight")  # after the layers that read
_REMEDY = "leave rotate out, or give a model built like Llama, Qwen or Mistral"


@dataclass(frozen=True)
class Rotatable:
    """The parts of a model that can be rotated.

    Attributes:
        offset: what its norms add to their weights to get the gains: 0, or 1 as in Gemma.
        embeddings, norm, head: the parameters outside the blocks; the head's may be tied.
        is_tied: whether the embeddings are the head's weights, too.
        head_width: number of features of an attention head.
    """

    offset: float
    embeddings: str
    norm: str
    head: str
    is_tied: bool
    head_width: int


def rotatable(meta_model: MetaModel) -> Rotatable:
    """Return the parts of a model that can be rotated.

    Raises:
        RotationError: the model is built in another way than Llama.
    """
    offsets = {_check_block(meta_model, index) for index in range(len(meta_model.blocks))}
    embeddings, norm, head = _outside(meta_model)
    module = meta_model.model.get_submodule(norm.removesuffix(".weight"))
    offsets.add(_require_offset(norm, module))
    if len(offsets) > 1:
        raise _error("its norms are of several kinds")
    is_tied = head in meta_model.model.all_tied_weights_keys
    if is_tied and meta_model.weights.stored_name(embeddings) == head:
        raise _error(f"its embeddings are stored as {head}")
    config = meta_model.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Rotatable(offsets.pop(), embeddings, norm, head, is_tied, width)


def gain_offset(norm: nn.Module) -> float | None:
    """Return what a norm adds to its weight to get its gain; None if it is no plain RMSNorm.

    The norm is run on random numbers, because its class's name says too little.
    """
    if [name for name, _ in norm.named_parameters()] != ["weight"]:
        return None
    probe = deepcopy(norm).to_empty(device="cpu").float()
    size, generator = probe.get_parameter("weight").numel(), torch.Generator().manual_seed(0)
    inputs, weight = (torch.randn(*shape, generator=generator) for shape in ((4, size), (size,)))
    with torch.no_grad():
        probe.get_parameter("weight").copy_(weight)
        outputs = probe(inputs)
    unit = inputs * inputs.square().mean(-1, keepdim=True).rsqrt()
    fitting = (
        offset
        for offset in (0.0, 1.0)
        if torch.allclose(outputs, unit * (weight + offset), 0, 1e-2)
    )
    return next(fitting, None)


def _check_block(meta_model: MetaModel, index: int) -> float:
    """Check that a block is built like Llama's; return the offset of its norms."""
    block, name = meta_model.blocks[index], meta_model.block_name(index)
    modules, parameters = dict(block.named_modules()), dict(block.named_parameters())
    required = {f"{module}.weight" for module in (*_LAYERS, *READERS)}
    allowed = required | {f"{layer}.bias" for layer in _LAYERS} | set(_OF_HEADS)
    for missing in sorted(required - parameters.keys()):
        raise _error(f"{name} has no {missing}")
    for other in sorted(parameters.keys() - allowed):
        raise _error(f"{name} has a further parameter, {other}")
    for layer in _LAYERS:
        if type(modules[layer]) is not nn.Linear:
            raise _error(f"{name}.{layer} is a {type(modules[layer]).__name__}")
    for parameter in parameters:
        if meta_model.weights.stored_name(f"{name}.{parameter}") is None:
            raise _error(f"{name}.{parameter} is stored in several tensors")
    offsets = {_require_offset(f"{name}.{norm}", modules[norm]) for norm in READERS}
    if len(offsets) > 1:
        raise _error("its norms are of several kinds")
    return offsets.pop()


def _outside(meta_model: MetaModel) -> tuple[str, str, str]:
    """Return the names of the embeddings, of the last norm's weight and of the head's weight."""
    model = meta_model.model
    names = {module: name for name, module in model.named_modules()}
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    if not (isinstance(ends[0], nn.Embedding) and type(ends[1]) is nn.Linear):
        raise _error("its embeddings or its head are of another kind")
    embeddings, head = (f"{names[module]}.weight" for module in ends)
    norms = sorted(_parameters_outside(meta_model) - {embeddings, head})
    if len(norms) != 1 or not norms[0].endswith(".weight"):
        raise _error(f"it has other parameters outside its blocks: {', '.join(norms)}")
    return embeddings, norms[0], head


def _parameters_outside(meta_model: MetaModel) -> set[str]:
    prefix = f"{meta_model.prefix}."
    return set(_all_parameters(meta_model.model)) - {
        name for name in meta_model.model.state_dict() if name.startswith(prefix)
    }


def _all_parameters(model: nn.Module) -> Iterator[str]:
    yield from (name for name, _ in model.named_parameters(remove_duplicate=False))


def _require_offset(name: str, norm: nn.Module) -> float:
    offset = gain_offset(norm)
    if offset is None:
        raise _error(f"{name} is a {type(norm).__name__}, not a plain RMSNorm")
    return offset


def _error(reason: str) -> RotationError:
    return RotationError(f"the model cannot be rotated, because {reason}", _REMEDY)
