"""The field ``recover``: a kind's name, or an object."""

from typing import Any

import pytest
from pydantic import ValidationError

from db.core.digests import digest
from db.jobs.search import FIRST_FIELDS, search_columns
from db.spec.options.recover import RecoverSpec
from db.spec.prune_spec import PruneSpec


def spec(**fields: Any) -> PruneSpec:
    return PruneSpec.model_validate({"model": "m", "sparsity": 0.5, "dataset": "c4"} | fields)


def test_a_kind_stands_for_an_object_with_its_defaults() -> None:
    named = spec(recover="masked")
    assert named.recover == RecoverSpec(kind="masked", tokens=262_144, kl=0.67, temperature=2.0)
    assert spec(recover={"kind": "masked"}) == named
    assert PruneSpec.model_validate(named.model_dump(mode="json")) == named


@pytest.mark.parametrize("nothing", [None, "none"])
def test_none_trains_nothing(nothing: str | None) -> None:
    assert spec(recover=nothing) == spec()


@pytest.mark.parametrize(
    ("value", "where", "message"),
    [
        ("dense", ("recover", "kind"), "'masked', 'mask_lora', 'spp' or 'ast'"),
        ({"tokens": 5}, ("recover", "kind"), "Field required"),
        ({"kind": "spp", "tokens": 0}, ("recover", "tokens"), "greater than or equal to 1"),
        ({"kind": "spp", "kl": 1.5}, ("recover", "kl"), "less than or equal to 1"),
        ({"kind": "spp", "lr": 0.0}, ("recover", "lr"), "greater than 0"),
        ({"kind": "spp", "rank": 4}, ("recover", "rank"), "not permitted"),
        (True, ("recover",), "a kind such as 'masked', or an object"),
    ],
)
def test_a_wrong_value_is_refused_at_its_place(
    value: object, where: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(recover=value)
    (error,) = refused.value.errors()
    assert error["loc"] == where
    assert message in error["msg"]


def test_jobs_without_it_have_the_digest_that_they_had_before_it_existed() -> None:
    before = {
        key: value for key, value in spec().model_dump(mode="json").items() if key in FIRST_FIELDS
    }
    assert search_columns(spec(), None)["spec_digest"] == digest(before)
    assert search_columns(spec(recover="spp"), None)["spec_digest"] != digest(before)
