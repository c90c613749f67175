"""Causal attention in bfloat16 on a CPU, as products over slices of the queries.

There torch's own kernel takes twice the time of the plain products that it fuses. Everything else
goes to that kernel.
"""

import re
import sys
from inspect import getsource
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

_NAME = "sdpa-or-slices"
_QUESTION = re.compile(r'_attn_implementation (==|!=|in|not in) .*"sdpa"')
_SLICE = 64  # queries; no product is taken with the keys after them


def use_slices(model: PreTrainedModel) -> None:
    """Let a model that computes attention by ``sdpa`` take slices where they are faster.

    Not one whose code asks for that name: DeepSeek-V3.2 then masks what its indexer did not choose.
    """
    if model.config._attn_implementation == "sdpa" and not _asks_for_sdpa(model):
        model.set_attn_implementation(_NAME)


def causal_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Return what each token attends to among itself and those before it.

    As in transformers' ``eager`` attention, logits are rounded to the dtype; the softmax is not.

    Args:
        query: ``[batch, heads, tokens, features]``.
        key: ``[batch, groups, tokens, features]``; so many heads in a row share a group.
        value: ``[batch, groups, tokens, values]``.
        scale: of the products of queries and keys.

    Returns:
        ``[batch, tokens, heads, values]`` in the dtype of the query.
    """
    batch, heads, tokens, features = query.shape
    groups, values = key.shape[1], value.shape[-1]
    query = query.reshape(batch * groups, heads // groups, tokens, features)
    keys = key.reshape(batch * groups, tokens, features).transpose(1, 2)
    value = value.reshape(batch * groups, tokens, values)
    future = torch.full((_SLICE, _SLICE), -torch.inf, dtype=query.dtype).triu_(1)
    out = query.new_empty(batch, tokens, groups, heads // groups, values)
    for start in range(0, tokens, _SLICE):
        stop = min(start + _SLICE, tokens)
        rows = query[:, :, start:stop].reshape(batch * groups, -1, features) * scale
        logits = torch.bmm(rows, keys[:, :, :stop])  # [batch · groups, heads · rows, stop]
        by_row = logits.view(batch * groups, heads // groups, -1, stop)
        by_row[..., start:] += future[: stop - start, : stop - start]
        found = torch.bmm(logits.softmax(-1), value[:, :stop])
        by_head = found.view(batch, groups, heads // groups, -1, values)
        out[:, start:stop] = by_head.permute(0, 3, 1, 2, 4)
    return out.flatten(2, 3)


def _asks_for_sdpa(model: PreTrainedModel) -> bool:
    parts = (part for part in model.modules() if isinstance(part, PreTrainedModel))
    files = {type(part).__module__ for part in parts}
    return any(_QUESTION.search(getsource(sys.modules[file])) for file in files)


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attend as transformers' ``sdpa`` does."""
    if _suits(module, query, key, attention_mask, options):
        scale = options.get("scaling")
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        return causal_attention(query, key, value, scale), None
    found: tuple[Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, **options
    )
    return found


def _suits(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    attention_mask: Tensor | None,
    options: dict[str, Any],
) -> bool:
    """Return whether all that is asked for is causal attention of a whole sequence."""
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    further = (attention_mask, options.get("softcap"), options.get("position_bias"))
    return (
        bool(causal)
        and all(it is None for it in further)
        and query.dtype == torch.bfloat16
        and query.device.type == "cpu"
        and query.shape[2] == key.shape[2] > 1
        and not torch.is_grad_enabled()
    )


AttentionInterface.register(_NAME, _attention)
AttentionMaskInterface.register(_NAME, sdpa_mask)
