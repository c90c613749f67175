"""The field ``binarize``: true, or an object."""

from typing import Any

import pytest
from pydantic import ValidationError

from db.core.digests import digest
from db.core.errors import SpecRefusedError
from db.jobs.search import FIRST_FIELDS, search_columns
from db.spec.combination import check_combination
from db.spec.options.binarize import BinarizeSpec
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.methods import MethodName


def spec(**fields: Any) -> PruneSpec:
    return PruneSpec.model_validate({"model": "m", "dataset": "c4"} | fields)


@pytest.mark.parametrize("given", [True, {}])
def test_true_stands_for_the_defaults_and_needs_no_method_or_sparsity(given: object) -> None:
    named = spec(binarize=given)
    assert named.binarize == BinarizeSpec()
    assert (named.method, named.sparsity) == (MethodName.none, 0.0)
    assert PruneSpec.model_validate(named.model_dump(mode="json")) == named
    check_combination(named)


@pytest.mark.parametrize("nothing", [None, False])
def test_a_job_that_does_not_binarise_needs_a_sparsity(nothing: bool | None) -> None:
    with pytest.raises(ValidationError, match="sparsity"):
        spec(binarize=nothing)
    assert spec(sparsity=0.5, binarize=nothing).method is MethodName.zpruner


@pytest.mark.parametrize(
    ("fields", "limits"),
    [
        ({}, (3, 5)),
        ({"kept": 4.4}, (3, 6)),
        ({"kept": 1}, (1, 2)),
        ({"kept": 7.5}, (6, 8)),
        ({"low": 2, "high": 4}, (2, 4)),
    ],
)
def test_blocks_keep_one_more_or_one_less_than_the_mean_by_default(
    fields: dict[str, Any], limits: tuple[int, int]
) -> None:
    named = spec(binarize=fields)
    assert named.binarize is not None
    assert named.binarize.limits == limits
    check_combination(named)


@pytest.mark.parametrize(
    ("value", "where", "message"),
    [
        ({"kept": 0.5}, ("binarize", "kept"), "equal to 1"),
        ({"kept": 9}, ("binarize", "kept"), "equal to 8"),
        ({"low": 2.0}, ("binarize", "low"), "valid integer"),
        ({"group_size": 12}, ("binarize", "group_size"), "multiple of 8"),
        ({"salient": 0.6}, ("binarize", "salient"), "equal to 0.5"),
        ({"bits": 1}, ("binarize", "bits"), "not permitted"),
        ("true", ("binarize",), "has the wrong type"),
    ],
)
def test_a_wrong_value_is_refused_at_its_place(
    value: object, where: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(binarize=value)
    (error,) = refused.value.errors()
    assert error["loc"] == where
    assert message in error["msg"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sparsity", 0.5),
        ("pattern", "2:4"),
        ("solver", "alps"),
        ("allocation", "owl"),
        ("scope", "row"),
        ("correction", 0.3),
        ("damping", 0.1),
        ("refine", True),
        ("recover", "masked"),
        ("quantize", "w4a16"),
        ("ratio", 0.2),
    ],
)
def test_what_else_would_choose_or_change_weights_is_refused(field: str, value: object) -> None:
    beside = {"sparsity": 0.0} | {field: value}
    with pytest.raises(SpecRefusedError, match="chooses the zeros and the values") as refused:
        check_combination(spec(binarize=True, **beside))
    assert refused.value.field == field
    assert refused.value.remedy == f"Leave {field} out."


@pytest.mark.parametrize(
    ("fields", "method"),
    [
        ({"method": "wanda", "sparsity": 0.5}, "wanda"),
        ({"method": "wanda"}, "wanda"),
        ({"preset": "fast", "sparsity": 0.5}, "wanda"),
        ({"preset": "best"}, "admm"),
    ],
)
def test_a_method_or_preset_beside_it_is_refused(fields: dict[str, Any], method: str) -> None:
    with pytest.raises(SpecRefusedError, match="chooses the zeros") as refused:
        check_combination(spec(**fields, binarize=True))
    assert (refused.value.field, refused.value.value) == ("method", method)
    assert "method and preset" in refused.value.remedy


def test_a_mean_outside_the_limits_is_refused() -> None:
    with pytest.raises(SpecRefusedError, match="kept is 4, and blocks keep from 5 to 6") as refused:
        check_combination(spec(binarize={"low": 5, "high": 6}))
    assert refused.value.field == "binarize"


def test_jobs_without_it_have_the_digest_that_they_had_before_it_existed() -> None:
    plain = spec(sparsity=0.5)
    written = plain.model_dump(mode="json") | {"propagation": "fused"}
    before = {key: value for key, value in written.items() if key in FIRST_FIELDS}
    assert search_columns(plain, None)["spec_digest"] == digest(before)
