"""Fused projections, and their parts, such as Q, K and V, which are pruned separately.

In most models, V has the smallest weights. If a fused QKV were pruned as a whole, V could lose too
many of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PretrainedConfig

from worker.pruning.model.linear_layers import LinearLayer


@dataclass(frozen=True)
class Part:
    """One projection of a fused matrix, or the whole of a matrix that is not fused.

    Attributes:
        name: the projection, such as ``v``; None for a matrix that is not fused.
        rows: the rows of the part: a slice, or indices ``[n]`` int64.
    """

    name: str | None
    rows: slice | Tensor

    def of(self, matrix: Tensor) -> Tensor:
        """Return these rows of a matrix ``[out, in]``: a view if they are a slice, else a copy."""
        return matrix[self.rows]

    def write(self, matrix: Tensor, values: Tensor) -> None:
        """Write ``values [n, in]`` to these rows of ``matrix``.

        Nothing is written if ``values`` is already a view of these rows.
        """
        if values.data_ptr() != self.of(matrix).data_ptr():
            matrix[self.rows] = values


@dataclass(frozen=True)
class Layout:
    """The order of rows in a fused matrix.

    Attributes:
        groups: number of equal groups of rows, such as heads.
        sizes: number of rows that each part has in a group, by the part's name, in the order in
            which the parts follow each other in a group.
    """

    groups: int
    sizes: dict[str, int]

    @property
    def rows(self) -> int:
        """Number of rows of the matrix."""
        return self.groups * sum(self.sizes.values())

    def parts(self) -> list[Part]:
        """Return the parts in the order of ``sizes``."""
        indices = torch.arange(self.rows).view(self.groups, -1)  # [groups, rows of a group]
        pieces = torch.split(indices, list(self.sizes.values()), dim=1)
        return [Part(name, _rows(piece)) for name, piece in zip(self.sizes, pieces, strict=True)]


def _rows(piece: Tensor) -> slice | Tensor:
    """Return row indices ``[groups, rows]`` as a slice if there is one group, else flattened."""
    if len(piece) > 1:
        return piece.flatten()
    return slice(int(piece[0, 0]), int(piece[0, -1]) + 1)


WHOLE = Part(None, slice(None))


def layer_parts(layer: LinearLayer, config: PretrainedConfig) -> list[Part]:
    """Return a layer's parts: only the whole matrix if no fused layout is known for the layer."""
    layout = _layout(layer, config)
    return [WHOLE] if layout is None else layout.parts()


def matrix_name(layer: LinearLayer, part: Part) -> str:
    """Return a part's name in its block: the layer's name, then the part's name if it has one."""
    return layer.name if part.name is None else f"{layer.name}.{part.name}"


def has_unknown_layout(layer: LinearLayer, config: PretrainedConfig) -> bool:
    """Return whether a layer has the name of a fused layer, but its layout is unknown."""
    name = _projection(layer)
    fused = name in _FUSED or any(mark in name for mark in _MARKS)
    return fused and _layout(layer, config) is None


def _layout(layer: LinearLayer, config: PretrainedConfig) -> Layout | None:
    projection = _projection(layer)
    rows = layer.oriented(layer.weight).shape[0]
    if projection in _GATED:
        interleaved = not getattr(layer.module, "is_concatenated", True)
        return Layout(rows // 2, {"gate": 1, "up": 1}) if interleaved else _halves(rows)
    find = _LAYOUTS.get((config.model_type, projection)) or _LAYOUTS.get(("", projection))
    layout = find(config) if find else None
    # The layout is unknown if it does not match the matrix's number of rows.
    return layout if layout is not None and layout.rows == rows else None


def _projection(layer: LinearLayer) -> str:
    """Return the end of the layer's name, by which its layout is looked up."""
    name = layer.weight_name.removesuffix(".weight")
    return (
        ".".join(name.split(".")[-2:]) if name.endswith("input_linear") else name.rpartition(".")[2]
    )


def _halves(rows: int) -> Layout:
    return Layout(1, {"gate": rows // 2, "up": rows // 2})


def _heads(config: PretrainedConfig) -> tuple[int, int, int]:
    """Return the numbers of query heads and of key heads, and the width of a head."""
    heads: int = config.num_attention_heads
    key_heads: int = getattr(config, "num_key_value_heads", None) or heads
    width: int = getattr(config, "head_dim", None) or config.hidden_size // heads
    return heads, key_heads, width


def _qkv(config: PretrainedConfig) -> Layout:
    heads, key_heads, width = _heads(config)
    return Layout(1, {"q": heads * width, "k": key_heads * width, "v": key_heads * width})


def _qkv_by_head(config: PretrainedConfig) -> Layout:
    heads, _, width = _heads(config)
    return Layout(heads, {"q": width, "k": width, "v": width})


def _falcon(config: PretrainedConfig) -> Layout:
    heads, _, width = _heads(config)
    if config.new_decoder_architecture:
        shared = heads // config.num_kv_heads  # query heads per key head
        return Layout(config.num_kv_heads, {"q": shared * width, "k": width, "v": width})
    if config.multi_query:
        return Layout(1, {"q": heads * width, "k": width, "v": width})
    return _qkv_by_head(config)


def _bigcode(config: PretrainedConfig) -> Layout:
    heads, _, width = _heads(config)
    single_key_head = Layout(1, {"q": heads * width, "k": width, "v": width})
    return single_key_head if config.multi_query else _qkv_by_head(config)


def _codegen(config: PretrainedConfig) -> Layout:
    width = config.hidden_size // 4  # four groups: it was trained on four devices
    return Layout(4, {"q": width, "v": width, "k": width})


def _kv(config: PretrainedConfig) -> Layout:
    width = config.kv_channels * config.num_key_value_heads
    return Layout(1, {"k": width, "v": width})


def _latent_kv(config: PretrainedConfig) -> Layout:
    """Return the layout of DeepSeek-V2's projection from the latent vector to keys and values.

    Its rows are grouped by head (arXiv:2405.04434).
    """
    sizes = {"k": config.qk_nope_head_dim, "v": config.v_head_dim}
    return Layout(config.num_attention_heads, sizes)


def _to_latent(config: PretrainedConfig) -> Layout:
    """Return the layout of DeepSeek-V2's projection to the latent vector and the rotary keys."""
    return Layout(1, {"latent": config.kv_lora_rank, "k_rope": config.qk_rope_head_dim})


def _linear_qkv(config: PretrainedConfig) -> Layout:
    keys = config.linear_num_key_heads * config.linear_key_head_dim
    values = config.linear_num_value_heads * config.linear_value_head_dim
    return Layout(1, {"q": keys, "k": keys, "v": values})


def _linear_qkvz(config: PretrainedConfig) -> Layout:
    heads, width = config.linear_num_key_heads, config.linear_key_head_dim
    values = config.linear_num_value_heads // heads * config.linear_value_head_dim
    return Layout(heads, {"q": width, "k": width, "v": values, "z": values})


_GATED = {"gate_up_proj", "mlp.input_linear", "shared_mlp.input_linear"}
# Names of other fused projections, such as Mamba's, whose layouts are not known.
_FUSED = {"in_proj", "in_proj_ba", "Wi"}
_MARKS = ("qkv", "query_key_value", "c_attn", "kv_a_", "kv_b_")
# By model type and name of the projection; an empty type means all other models.
_LAYOUTS: dict[tuple[str, str], Callable[[PretrainedConfig], Layout]] = {
    ("gpt2", "c_attn"): _qkv,
    ("openai-gpt", "c_attn"): _qkv,
    ("gpt_bigcode", "c_attn"): _bigcode,
    ("mpt", "Wqkv"): _qkv,
    ("bloom", "query_key_value"): _qkv_by_head,
    ("gpt_neox", "query_key_value"): _qkv_by_head,
    ("gpt_neox_japanese", "query_key_value"): _qkv_by_head,
    ("persimmon", "query_key_value"): _qkv_by_head,
    ("falcon", "query_key_value"): _falcon,
    ("codegen", "qkv_proj"): _codegen,
    ("minimax", "qkv_proj"): _qkv_by_head,
    ("phi3", "qkv_proj"): _qkv,
    ("phi4_multimodal", "qkv_proj"): _qkv,
    ("jetmoe", "kv_proj"): _kv,
    ("", "kv_b_proj"): _latent_kv,
    ("", "kv_a_proj_with_mqa"): _to_latent,
    ("", "in_proj_qkv"): _linear_qkv,
    ("qwen3_next", "in_proj_qkvz"): _linear_qkvz,
}
