"""Presets: named combinations of a specification's fields."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from db.spec.pruning.methods import REMOVING, MethodName


class PresetName(StrEnum):
    """A named set of a job's fields, from ``fast`` (cheapest) to ``best`` (best quality)."""

    fast = "fast"
    balanced = "balanced"
    best = "best"


PRESETS: Mapping[str, Mapping[str, Any]] = {
    PresetName.fast: {"method": "wanda"},
    PresetName.balanced: {"method": "admm", "refine": True},
    PresetName.best: {
        "method": "admm",
        "allocation": "owl",
        "refine": True,
        "recover": "masked",
        "mix": [{"generated": True, "share": 0.5}],
    },
}
RECOMMENDED = PresetName.balanced
"""The preset to begin with."""
PRESET_FIELDS = frozenset(name for fields in PRESETS.values() for name in fields)
NOT_WITH_PATTERN = ("allocation",)
"""A pattern N:M fixes the sparsity of every block, so a preset's allocation is left out then."""
NOT_WITH_EXPERTS = ("recover", "mix")
"""Experts are removed from models that may be too large to be held whole: to recover, to write."""


def resolve_preset(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request's fields, with those fields of its preset that the request does not set.

    If no sparsity can be spread over the blocks, the fields in `NOT_WITH_PATTERN` are not added:
    the request has a pattern, or its method removes units. Neither are those in `NOT_WITH_EXPERTS`
    if it removes experts. A `recover` without a kind gets the preset's.
    """
    preset = PRESETS.get(str(fields.get("preset")), {})
    spreads = str(fields.get("method")) not in REMOVING  # it may be no text: not checked yet
    spreads = spreads and fields.get("pattern") is None and fields.get("ratio") is None
    unfit = () if spreads else NOT_WITH_PATTERN
    if fields.get("method") == MethodName.experts:
        unfit = (*unfit, *NOT_WITH_EXPERTS)
    added = {name: value for name, value in preset.items() if name not in unfit}
    own = dict(fields)
    if isinstance(recover := own.get("recover"), Mapping) and "recover" in added:
        own["recover"] = {"kind": added["recover"], **recover}
    return added | own
