"""Presets: named combinations of a specification's fields."""

from collections.abc import Collection, Mapping
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
_EXPERTS = {"method": (MethodName.experts,)}
LEFT_OUT: Mapping[str, Mapping[str, Collection[str]]] = {
    "allocation": {"pattern": (), "ratio": (), "method": sorted(REMOVING)},
    "recover": _EXPERTS,
    "mix": _EXPERTS,
}
"""Fields that a preset leaves out beside others, with the values of those; without values it is
any. The form of a job reads the same rules.

A pattern N:M, or removing units, leaves no sparsity to spread over the blocks. Experts are removed
from models that may be too large to be held whole: to recover, to write.
"""


def resolve_preset(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request's fields, with those fields of its preset that the request does not set.

    Those that it leaves out beside others (`LEFT_OUT`) are not added. A `recover` without a kind
    gets the preset's.
    """
    preset = PRESETS.get(str(fields.get("preset")), {})
    added = {name: value for name, value in preset.items() if not _is_left_out(name, fields)}
    own = dict(fields)
    if isinstance(recover := own.get("recover"), Mapping) and "recover" in added:
        own["recover"] = {"kind": added["recover"], **recover}
    return added | own


def _is_left_out(name: str, fields: Mapping[str, Any]) -> bool:
    return any(
        str(fields.get(other)) in values if values else fields.get(other) is not None
        for other, values in LEFT_OUT.get(name, {}).items()
    )
