"""The rows of the table of smaller models: what is removed, and how the rest is trained."""

from collections.abc import Iterator
from math import sqrt
from typing import Any

from benchmarks.quality.training_rows import OF_TEXT
from db.spec.pruning.methods import REMOVING, MethodName

Jobs = tuple[dict[str, Any], ...]
"""The fields of each job; a job prunes the result of the one before."""

RATIOS = (0.25, 0.5)
OWN_RATIOS: dict[MethodName, tuple[float, ...]] = {MethodName.heads: (1 / 12, 1 / 6)}
"""One and two of the three heads of SmolLM2-135M, whose attention is a quarter of its blocks."""
RECOVER = {"kind": "masked", "tokens": 262_144, **OF_TEXT}
TRAINING: dict[str, dict[str, Any]] = {
    "": {},
    ", refine": {"refine": True},
    ", refine, recover": {"refine": True, "recover": RECOVER},
}
DENSE = "dense"
OF_DENSE_MODELS = REMOVING - {MethodName.experts}
"""The model of the table has no experts: `benchmarks.experts` has a table of its own."""


def _rows() -> Iterator[tuple[str, Jobs]]:
    yield DENSE, ()
    for method in (one for one in MethodName if one in OF_DENSE_MODELS):
        for ratio in OWN_RATIOS.get(method, RATIOS):
            for suffix, training in TRAINING.items():
                name = f"{method.value} {ratio:.3g}{suffix}"
                yield name, ({"method": method.value, "ratio": ratio} | training,)
    for ratio in RATIOS:
        for suffix, training in TRAINING.items():
            yield f"depth, then neurons {ratio:.3g}{suffix}", _mixed(ratio, training)


def _mixed(ratio: float, training: dict[str, Any]) -> Jobs:
    """Return two jobs that remove the same share each; only the last one has a recovery."""
    share = 1 - sqrt(1 - ratio)
    first = {name: value for name, value in training.items() if name != "recover"}
    return (
        {"method": "depth", "ratio": share} | first,
        {"method": "neurons", "ratio": share} | training,
    )


ROWS: dict[str, Jobs] = dict(_rows())
