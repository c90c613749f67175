"""Checks of a model configuration's numbers against its tensors, before the model is built."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from db.core.refusals import refused

Shapes = Mapping[str, tuple[int, ...]]

LAYERS = re.compile(r"(num_hidden_layers|num_layers|n_layers?|num_decoder_layers|decoder_layers)\Z")
EXPERTS = re.compile(r"(num_(local_|routed_|total_)?experts|n_routed_experts|moe_num_experts)\Z")
POSITIVE = re.compile(
    rf"{LAYERS.pattern}|(hidden_size|vocab_size|num_attention_heads|n_embd|n_head|d_model)\Z"
)
"""The numbers without which there is no decoder."""
DECODERS = {"text_config", "decoder", "llm_config", "language_config"}
"""The config keys under which a composite model describes its decoder, the part to prune."""
COUNT = re.compile(r"(layers?|blocks?|experts?|depth|stages|codebooks)\Z")
WIDTH = re.compile(r"(size|dims?|rank|heads?|width|embd?|inner|groups?|kernel|d_model|d_ff)\Z")
LABELS = re.compile(r"num_labels\Z")
LENGTH = re.compile(r"(position|positions|embeddings|ctx|seq_len|seq_length)\Z")
BOUNDS = ((COUNT, 1024), (WIDTH, 1 << 24), (LENGTH, 1 << 28), (LABELS, 1 << 16))
"""Upper bounds: 1,024 blocks, a width of 16 million, 268 million positions, 65,536 labels.

transformers makes a dictionary entry for each label, even for a decoder, which has no use for them.
"""
REMEDY = "Name a complete copy of the model, with the config.json it was saved with."


def check_dimensions(config: Mapping[str, Any], shapes: Shapes, name: str) -> None:
    """Check that the config describes no more layers and experts than the tensors contain.

    Each layer or expert becomes a module; two million of them would exhaust the memory before a
    tensor is read. Sizes, counts and lengths in the config must also be within `BOUNDS`, and those
    of `POSITIVE` must be at least 1.

    Args:
        config: the content of config.json.
        shapes: the shape of each tensor, by name; if empty, only `BOUNDS` are checked.
        name: the model's name in the request.

    Raises:
        SpecRefusedError: ``malformed_config``.
    """
    for path, number in _numbers(config):
        key = path[-1]
        for pattern, bound in BOUNDS:
            if pattern.search(key) and number > bound:
                reason = f"config.json says {'.'.join(path)} = {number}, more than {bound:,}"
                raise refused(name, "malformed_config", reason, REMEDY)
        if set(path[:-1]) <= DECODERS and POSITIVE.match(key) and number < 1:
            reason = f"config.json says {'.'.join(path)} = {number}, which is no size of a model"
            raise refused(name, "malformed_config", reason, REMEDY)
        if set(path[:-1]) <= DECODERS and (limit := _limit(key, shapes)) and number > limit:
            entry = f"config.json says {'.'.join(path)} = {number}"
            reason = f"{entry}, but its tensors have {limit} at most"
            raise refused(name, "malformed_config", reason, REMEDY)


def _limit(key: str, shapes: Shapes) -> int | None:
    """Return the largest number that the tensors allow for this config key.

    Return None if the key is neither a number of layers nor a number of experts, or if there are no
    tensors.
    """
    is_layers, is_experts = LAYERS.match(key), EXPERTS.match(key)
    if not (is_layers or is_experts) or not shapes:
        return None
    parts = (part for tensor in shapes for part in tensor.split("."))
    numbers = [int(part) for part in parts if part.isdecimal() and len(part) < 7]
    # One tensor may have the weights of all experts of a layer; its shape has their number.
    dimensions = [size for shape in shapes.values() for size in shape] if is_experts else []
    return max([*(number + 1 for number in numbers), *dimensions, 1])


def _numbers(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the path and value of every integer in a config, and of every large integral float."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), config)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(((*path, str(key)), part) for key, part in value.items())
        elif isinstance(value, list):
            waiting.extend((path, part) for part in value)
        elif type(value) is int and path:
            yield path, value
        elif isinstance(value, float) and value >= 1 << 24 and value.is_integer() and path:
            yield path, int(value)
