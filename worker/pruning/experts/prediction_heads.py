"""Heads that predict further tokens, which transformers does not load, and their experts."""

import re
from collections.abc import Collection

from transformers import PretrainedConfig

from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.smaller_config import Fields

_HEAD = re.compile(r"(.*?\bmtp[^.]*\.|.*?\blayers\.\d+\.)")
_COUNTS = ("num_nextn_predict_layers", "num_mtp_layers", "mtp_num_hidden_layers")


def heads_with_experts(meta_model: MetaModel) -> tuple[str, ...]:
    """Return the stored tensors of heads that have experts and that the model's code does not load.

    No token can be routed through them, so that nothing is known of their experts, and a config
    counts the experts of such a head and of the blocks by the same field.
    """
    unused = meta_model.weights.unused()
    with_experts = {
        found[1] for name in unused if ".experts." in name and (found := _HEAD.match(name))
    }
    return tuple(name for name in unused if name.startswith(tuple(with_experts)))


def without_heads(config: PretrainedConfig, left_out: Collection[str]) -> Fields:
    """Return the fields of a decoder's config that change if such heads are left out."""
    counts = {name: getattr(config, name, None) for name in _COUNTS}
    return {name: 0 for name, count in counts.items() if left_out and count}
