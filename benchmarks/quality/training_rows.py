"""The rows of the training table; they differ in allocation, training and number of windows."""

from dataclasses import dataclass
from typing import Any

SOLVED: dict[str, Any] = {"method": "admm"}
ALLOCATED = SOLVED | {"allocation": "matrix"}
REFINED = SOLVED | {"refine": True}
BOTH = ALLOCATED | {"refine": True}
BEST = REFINED | {"allocation": "owl"}
OF_TEXT: dict[str, Any] = {"kl": 0.67, "temperature": 2.0, "skip": 0}
"""The loss of a recovery that also learns the domain of its text."""


@dataclass(frozen=True)
class TrainingRow:
    """One row of the table.

    Attributes:
        name: the label, without the number of windows.
        fields: the fields of the job.
        windows: the number of the job's calibration windows.
    """

    name: str
    fields: dict[str, Any]
    windows: int


_CURVE = {
    "admm": SOLVED,
    "admm, refine": REFINED,
    "admm, owl": SOLVED | {"allocation": "owl"},
    "admm, dlp": SOLVED | {"allocation": "dlp"},
    "admm, matrix": ALLOCATED,
    "admm, matrix, refine": BOTH,
    "admm, owl, refine": BEST,
}
_RECOVERIES: dict[str, Any] = {
    "recover masked": {"kind": "masked", **OF_TEXT},
    "recover masked, KL alone": {"kind": "masked", "skip": 0},
    "recover mask_lora": {"kind": "mask_lora", **OF_TEXT},
    "recover spp": {"kind": "spp", **OF_TEXT},
    "recover ast": {"kind": "ast", **OF_TEXT},
}

TRAINING_ROWS = (
    *(
        TrainingRow(name, fields, windows)
        for windows in (16, 64, 128, 256)
        for name, fields in _CURVE.items()
    ),
    *(
        TrainingRow(f"admm, owl, refine, {name}", BEST | {"recover": recover}, 128)
        for name, recover in _RECOVERIES.items()
    ),
    *(
        TrainingRow(f"admm, refine, {name}", REFINED | {"recover": _RECOVERIES[name]}, 64)
        for name in ("recover masked", "recover masked, KL alone")
    ),
    *(TrainingRow(name, {"preset": name}, 128) for name in ("fast", "balanced", "best")),
)
