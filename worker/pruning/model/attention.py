"""Causal attention in bfloat16 on a CPU, computed in slices of the queries.

For bfloat16 on a CPU without AMX, torch's own kernel takes twice as long as the matrix products
that it fuses, and where text is generated, with a single query for each row, up to ten times as
long; with AMX, it takes less than half the time of these slices for whole sequences. Attention in
other dtypes or on other devices, and any attention with a mask or gradients, is computed by torch's
kernel.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

_MARK = "_zpruner_sliced_attention"
_SLICE = 64  # queries; their products with keys after the slice are not computed


def slices_are_faster() -> bool:
    """Return whether this CPU computes bfloat16 attention faster in slices."""
    return not torch.cpu.get_capabilities().get("amx_bf16", False)


def use_sliced_attention(model: PreTrainedModel) -> None:
    """Let a model whose attention is ``sdpa`` compute it in slices where that is faster.

    For each attention name, transformers has one function that all models share. So this model's
    modules are marked, and the function uses slices only for marked modules. A separate attention
    name would not work: the code of some models, such as DeepSeek-V3.2, compares the configured
    name with ``sdpa``.
    """
    for module in model.modules():
        setattr(module, _MARK, True)


def causal_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Return the attention of each token to itself and the tokens before it.

    Logits are rounded to the dtype of the query, as in transformers' ``eager`` attention.

    Args:
        query: ``[batch, heads, queries, features]``, of the last tokens of a sequence.
        key: ``[batch, groups, tokens, features]``; consecutive heads share a group.
        value: ``[batch, groups, tokens, values]``.
        scale: factor of the products of queries and keys.

    Returns:
        ``[batch, queries, heads, values]`` in the dtype of the query.
    """
    batch, heads, queries, features = query.shape
    groups, tokens, values = key.shape[1], key.shape[2], value.shape[-1]
    query = query.reshape(batch * groups, heads // groups, queries, features)
    keys = key.reshape(batch * groups, tokens, features).transpose(1, 2)
    value = value.reshape(batch * groups, tokens, values)
    future = torch.full((_SLICE, _SLICE), -torch.inf, dtype=query.dtype).triu_(1)
    out = query.new_empty(batch, queries, groups, heads // groups, values)
    for start in range(0, queries, _SLICE):
        stop = min(start + _SLICE, queries)
        known = tokens - queries + stop  # tokens up to the slice's last one
        rows = query[:, :, start:stop].reshape(batch * groups, -1, features) * scale
        logits = torch.bmm(rows, keys[:, :, :known])  # [batch · groups, heads · rows, known]
        by_row = logits.view(batch * groups, heads // groups, -1, known)
        by_row[..., known - (stop - start) :] += future[: stop - start, : stop - start]
        attended = torch.bmm(logits.softmax(-1), value[:, :known])
        by_head = attended.view(batch, groups, heads // groups, -1, values)
        out[:, start:stop] = by_head.permute(0, 3, 1, 2, 4)
    return out.flatten(2, 3)


def _sdpa(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute attention in slices if the module is marked and `_suits` is True, else by torch."""
    if getattr(module, _MARK, False) and _suits(module, query, key, attention_mask, options):
        scale = options.get("scaling")
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        return causal_attention(query, key, value, scale), None
    attended: tuple[Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, **options
    )
    return attended


def _suits(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    attention_mask: Tensor | None,
    options: dict[str, Any],
) -> bool:
    """Return whether attention can be computed in slices.

    It has to be plain causal attention of a whole sequence or of its last token, in bfloat16 on a
    CPU, without gradients.
    """
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    queries, tokens = query.shape[2], key.shape[2]
    extras = (attention_mask, options.get("softcap"), options.get("position_bias"))
    return (
        bool(causal)
        and all(extra is None for extra in extras)
        and query.dtype == torch.bfloat16
        and query.device.type == "cpu"
        and (queries == 1 or queries == tokens)
        and not torch.is_grad_enabled()
    )


AttentionInterface.register("sdpa", _sdpa)
