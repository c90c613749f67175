"""Models that llama.cpp loads, but computes otherwise than transformers does."""

from collections.abc import Mapping
from typing import Any

from worker.conversion.errors import ConversionError

_NORMALISED = {"qwen3_moe": True, "qwen2_moe": False, "olmoe": False}
"""Whether llama.cpp scales the weights of a token's experts to a sum of 1, by ``model_type``; the
files of these families have no field for it."""
_ROTATED = 0.5
"""The share of each head that transformers rotates in Bamba if its config names none."""


def check_known_differences(config: Mapping[str, Any]) -> None:
    """Check that llama.cpp is not known to compute another model from a config's folder.

    Args:
        config: the content of ``config.json``.

    Raises:
        ConversionError: it is known to; the message says what differs.
    """
    if (reason := _of_experts(config) or _of_rotation(config)) is not None:
        raise ConversionError(
            f"llama.cpp would generate other text than transformers: {reason}. Run the folder in "
            "transformers."
        )


def _of_experts(config: Mapping[str, Any]) -> str | None:
    kind = config.get("model_type")
    normalises = _NORMALISED.get(str(kind))
    wanted = bool(config.get("norm_topk_prob", False))  # the default of all three families
    if normalises is None or wanted is normalises:
        return None
    does = "always" if normalises else "never"
    return (
        f"for {kind} it {does} scales the weights of a token's experts to a sum of 1, and "
        f"norm_topk_prob is {str(wanted).lower()} in config.json"
    )


def _of_rotation(config: Mapping[str, Any]) -> str | None:
    if config.get("model_type") != "bamba":
        return None
    rope = config.get("rope_parameters") or {}
    share = rope.get("partial_rotary_factor", config.get("partial_rotary_factor", _ROTATED))
    if share == 1:
        return None
    return (
        "for bamba its converter reorders attention heads as if positions rotated all of each "
        f"head, and this model rotates a share of {share}"
    )
