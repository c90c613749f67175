"""Groups that do not fit a local model are refused at once, in the words of the planner."""

from typing import Any

import pytest

from api.preflight.row_groups import check_row_groups
from db.core.errors import SpecRefusedError
from tests.factories import make_spec
from worker.jobs.problems import problem_of
from worker.pruning.base.errors import PatternError, QuantizationError
from worker.pruning.quantization.scheme import Quantization

ATTENTION = {f"model.layers.{at}.self_attn.{name}_proj": 64 for at in (0, 1) for name in "qkvo"}


def shapes(down: int = 192, **more: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a model whose down projections have rows of ``down`` weights."""
    rows = ATTENTION | {f"model.layers.{at}.mlp.down_proj": down for at in (0, 1)} | more
    norms = {"model.layers.0.input_layernorm.weight": (63,), "lm_head.weight": (99, 63)}
    return {f"{name}.weight": (32, width) for name, width in rows.items()} | norms


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"pattern": "2:4"},
        {"pattern": "4:64"},
        {"quantize": "w4a16"},
        {"quantize": {"scheme": "w8a16", "group_size": 64}},
        {"quantize": {"scheme": "w8a16", "group_size": 192, "skip": ["*.self_attn.*"]}},
        {"quantize": {"scheme": "w8a16", "group_size": 192}, "skip": ("*_proj",)},
    ],
)
def test_groups_that_split_all_rows_are_accepted(fields: dict[str, Any]) -> None:
    implied = {"sparsity": None} if "pattern" in fields else {}
    check_row_groups(make_spec(**implied | fields), shapes())


@pytest.mark.parametrize("pattern", ["3:7", "5:10", "1:96"])
def test_a_pattern_that_does_not_split_a_row_is_refused(pattern: str) -> None:
    spec = make_spec(pattern=pattern, sparsity=None)
    with pytest.raises(SpecRefusedError) as refused:
        check_row_groups(spec, shapes())
    name, group = "model.layers.0.self_attn.q_proj", pattern.partition(":")[2]
    text = f"{name} has rows of 64 weights, which do not split into groups of {group}"
    theirs = problem_of(PatternError(text, "skip it, or choose another pattern"), spec)
    assert (refused.value.code, refused.value.remedy) == (theirs.code, theirs.hint)
    assert refused.value.reason == text


@pytest.mark.parametrize(
    ("size", "down", "nearest", "one_misfits"),
    [
        (4096, 192, 64, False),
        (24, 192, 16, False),
        (128, 96, 32, False),
        (32, 48, 16, True),
        (None, 172, None, True),
        (24, 172, None, False),
    ],
)
def test_a_group_size_is_refused_with_the_nearest_that_fits_as_the_planner_refuses_it(
    size: int | None, down: int, nearest: int | None, one_misfits: bool
) -> None:
    spec = make_spec(quantize={"scheme": "w4a16", "group_size": size})
    rows = list(ATTENTION.items())
    rows += [(f"model.layers.{at}.mlp.down_proj", down) for at in (0, 1)]
    with pytest.raises(QuantizationError) as planned:
        Quantization(4, size).scheme(rows)
    theirs = problem_of(planned.value, spec)

    with pytest.raises(SpecRefusedError) as refused:
        check_row_groups(spec, shapes(down))

    found = refused.value
    assert (found.field, found.code, found.remedy) == ("quantize", theirs.code, theirs.hint)
    assert found.reason in theirs.detail
    assert (f"group_size of quantize to {nearest}" in found.remedy) is (nearest is not None)
    assert ("'*.down_proj' to the skip of quantize" in found.remedy) is one_misfits


def test_only_matrices_that_are_certainly_pruned_are_checked() -> None:
    spec = make_spec(pattern="2:4", sparsity=None)
    odd = {"model.layers.0.mlp.experts.0.w1": 63, "model.layers.0.mixer.in_proj": 63}
    check_row_groups(spec, shapes(**odd) | {"model.layers.0.mlp.up_proj.weight": (4, 64, 63)})
