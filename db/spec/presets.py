"""Presets: named combinations of a specification's fields."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


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
    },
}
PRESET_FIELDS = frozenset(name for fields in PRESETS.values() for name in fields)
NOT_WITH_PATTERN = ("allocation",)
"""A pattern N:M fixes the sparsity of every block, so a preset's allocation is left out then."""


def resolve_preset(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request's fields, with those fields of its preset that the request does not set.

    If the request has a pattern, the fields in `NOT_WITH_PATTERN` are not added.
    """
    preset = PRESETS.get(str(fields.get("preset")), {})
    unfit = NOT_WITH_PATTERN if fields.get("pattern") is not None else ()
    return {name: value for name, value in preset.items() if name not in unfit} | dict(fields)
