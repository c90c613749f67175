"""Whether the rows of a local model's matrices split into the groups that a job asks for.

Only matrices are checked that every job with these fields prunes: those of attention and MLP that
have their usual names and are stored one by one. The planner judges all others.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from math import gcd

from db.core.errors import SpecRefusedError
from db.problems.failures import PATTERN, QUANTIZATION
from db.spec.prune_spec import PruneSpec

_PRUNED = re.compile(
    r"(?P<layer>.*\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj))\.weight"
)
_SMALLEST = 8
"""Every group size is a multiple of this, and the default one is this if no larger one fits."""


def check_row_groups(spec: PruneSpec, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check the groups of ``pattern`` and of ``quantize``.

    Args:
        spec: the job.
        shapes: the shapes of the model's tensors, by name.

    Raises:
        SpecRefusedError: the rows of a matrix do not split into the groups.
    """
    widths = dict(_pruned_widths(shapes, spec.skip))
    if spec.pattern is not None:
        size = int(spec.pattern.partition(":")[2])
        for layer, width in widths.items():
            if width % size:
                reason = _misfit(layer, width, size)
                remedy = "Skip it, or choose another pattern."
                raise SpecRefusedError("pattern", spec.pattern, PATTERN.code, reason, remedy)
    if spec.quantize is not None:
        skip = spec.quantize.skip
        rounded = {name: width for name, width in widths.items() if not _matches(name, skip)}
        _check_group_size(spec, spec.quantize.group_size or _SMALLEST, rounded)


def _check_group_size(spec: PruneSpec, size: int, widths: Mapping[str, int]) -> None:
    misfits = [layer for layer, width in widths.items() if width % size]
    if misfits:
        value = spec.model_dump(mode="json")["quantize"]
        reason = _misfit(misfits[0], widths[misfits[0]], size)
        remedy = _remedy(misfits, size, gcd(*widths.values()))
        raise SpecRefusedError("quantize", value, QUANTIZATION.code, reason, remedy)


def _remedy(misfits: list[str], size: int, common: int) -> str:
    """Name the nearest group size that fits all rows, or the layers to skip, as the planner does.

    The layers are named if one glob is enough.
    """
    globs = {f"*.{layer.rpartition('.')[2]}" for layer in misfits}
    without = f"add {globs.pop()!r} to the skip of quantize" if len(globs) == 1 else None
    fitting = [
        group_size
        for group_size in range(_SMALLEST, common + 1, _SMALLEST)
        if common % group_size == 0
    ]
    ways = [without, "leave quantize out, as no group size fits all rows"]
    if fitting:
        nearest = min(fitting, key=lambda group_size: (abs(group_size - size), group_size))
        ways = [f"set the group_size of quantize to {nearest}", without]
    text = " or ".join(filter(None, ways))
    return f"{text[0].upper()}{text[1:]}."


def _misfit(layer: str, width: int, size: int) -> str:
    return f"{layer} has rows of {width} weights, which do not split into groups of {size}"


def _pruned_widths(
    shapes: Mapping[str, tuple[int, ...]], skip: Iterable[str]
) -> Iterable[tuple[str, int]]:
    for name, shape in shapes.items():
        match = _PRUNED.fullmatch(name)
        if match is not None and len(shape) == 2 and not _matches(match["layer"], skip):
            yield match["layer"], shape[1]


def _matches(layer: str, globs: Iterable[str]) -> bool:
    return any(fnmatchcase(layer, glob) for glob in globs)
