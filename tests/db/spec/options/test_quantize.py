"""The field ``quantize``: a scheme's name, or an object."""

from typing import Any

import pytest
from pydantic import ValidationError

from db.core.digests import digest
from db.core.errors import SpecRefusedError
from db.jobs.search import FIRST_FIELDS, search_columns
from db.spec.combination import check_combination
from db.spec.options.quantize import QuantizeSpec
from db.spec.prune_spec import PruneSpec


def spec(**fields: Any) -> PruneSpec:
    return PruneSpec.model_validate({"model": "m", "sparsity": 0.5, "dataset": "c4"} | fields)


def test_a_scheme_stands_for_an_object_with_its_defaults() -> None:
    named = spec(quantize="w4a16")
    assert named.quantize == QuantizeSpec(scheme="w4a16", group_size=None, scales="mse")
    assert spec(quantize={"scheme": "w4a16"}) == named
    assert PruneSpec.model_validate(named.model_dump(mode="json")) == named
    check_combination(named)


@pytest.mark.parametrize("nothing", [None, "none"])
def test_none_rounds_nothing(nothing: str | None) -> None:
    assert spec(quantize=nothing) == spec()


@pytest.mark.parametrize(
    ("value", "where", "message"),
    [
        ("w3a16", ("quantize", "scheme"), "'w4a16' or 'w8a16'"),
        ({"group_size": 64}, ("quantize", "scheme"), "Field required"),
        ({"scheme": "w4a16", "group_size": 12}, ("quantize", "group_size"), "multiple of 8"),
        ({"scheme": "w4a16", "group_size": 0}, ("quantize", "group_size"), "equal to 8"),
        ({"scheme": "w4a16", "group_size": 64.0}, ("quantize", "group_size"), "valid integer"),
        ({"scheme": "w4a16", "scales": "max"}, ("quantize", "scales"), "'mse' or 'minmax'"),
        ({"scheme": "w4a16", "symmetric": False}, ("quantize", "symmetric"), "not permitted"),
        (4, ("quantize",), "has the wrong type"),
    ],
)
def test_a_wrong_value_is_refused_at_its_place(
    value: object, where: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(quantize=value)
    (error,) = refused.value.errors()
    assert error["loc"] == where
    assert message in error["msg"]


def test_a_recovery_of_whole_weights_trains_rounded_ones() -> None:
    check_combination(spec(quantize="w8a16", recover="masked"))


@pytest.mark.parametrize("kind", ["mask_lora", "spp", "ast"])
def test_another_recovery_beside_it_is_refused_with_another_way(kind: str) -> None:
    with pytest.raises(SpecRefusedError, match="only a recovery of the kind masked") as refused:
        check_combination(spec(quantize="w8a16", recover=kind))
    assert (refused.value.field, refused.value.value) == ("quantize", "w8a16")
    assert "by a job with method none" in refused.value.remedy


def test_units_that_are_removed_in_place_are_not_quantised() -> None:
    fields = {"method": "pgp", "sparsity": 0.0, "ratio": 0.2, "uniform": False}
    with pytest.raises(SpecRefusedError, match="removed in place are not quantised") as refused:
        check_combination(spec(**fields, quantize="w4a16"))
    assert "by a job with method none" in refused.value.remedy


@pytest.mark.parametrize("method", ["neurons", "heads", "depth", "adapt", "pgp"])
def test_a_removal_beside_it_is_refused_with_another_way(method: str) -> None:
    with pytest.raises(SpecRefusedError, match="cut out after the sweep") as refused:
        check_combination(spec(method=method, sparsity=0.0, ratio=0.2, quantize="w4a16"))
    assert (refused.value.field, refused.value.value) == ("quantize", "w4a16")
    assert "by a job with method none" in refused.value.remedy


def test_a_benchmark_beside_it_is_refused() -> None:
    with pytest.raises(SpecRefusedError, match="its speed says nothing") as refused:
        check_combination(spec(quantize="w8a16", benchmark=True))
    assert (refused.value.field, refused.value.value) == ("benchmark", True)


def test_rotations_without_it_are_refused() -> None:
    check_combination(spec(quantize="w4a16", rotate="auto"))
    assert spec(rotate="none") == spec()
    with pytest.raises(SpecRefusedError, match="nothing is rounded") as refused:
        check_combination(spec(rotate="auto"))
    assert (refused.value.field, refused.value.value) == ("rotate", "auto")


def test_a_model_that_is_sparse_already_can_be_quantised() -> None:
    check_combination(spec(method="none", sparsity=0.0, quantize="w4a16"))


def test_jobs_without_it_have_the_digest_that_they_had_before_it_existed() -> None:
    written = spec().model_dump(mode="json") | {"propagation": "fused"}
    before = {key: value for key, value in written.items() if key in FIRST_FIELDS}
    assert search_columns(spec(), None)["spec_digest"] == digest(before)
    assert search_columns(spec(quantize="w4a16"), None)["spec_digest"] != digest(before)
