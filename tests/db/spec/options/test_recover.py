"""The field ``recover``: a kind's name, or an object."""

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from db.core.digests import digest
from db.core.errors import SpecRefusedError
from db.jobs.search import FIRST_FIELDS, search_columns
from db.spec.combination import check_combination
from db.spec.options.recover import KL, SKIP, TEMPERATURE, RecoverSpec, RecoveryKind
from db.spec.prune_spec import PruneSpec


def spec(**fields: Any) -> PruneSpec:
    return PruneSpec.model_validate({"model": "m", "sparsity": 0.5, "dataset": "c4"} | fields)


def test_a_kind_stands_for_an_object_with_its_defaults() -> None:
    named = spec(recover="masked")
    assert named.recover == RecoverSpec(
        kind="masked", tokens=262_144, kl=KL, temperature=TEMPERATURE, skip=SKIP
    )
    assert spec(recover={"kind": "masked"}) == named
    assert PruneSpec.model_validate(named.model_dump(mode="json")) == named


@pytest.mark.parametrize("kind", get_args(RecoveryKind))
def test_a_model_learns_the_divergence_alone_after_four_tokens_by_default(kind: str) -> None:
    recover = spec(recover=kind).recover
    assert recover is not None
    assert (recover.kl, recover.temperature, recover.skip) == (1, 1, 4)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"method": "wanda"}, "method wanda removes no experts.* method to experts"),
        ({"method": "neurons", "sparsity": 0.0, "ratio": 0.2}, "method neurons removes no experts"),
        ({"method": "none", "sparsity": 0.0}, "its own teacher.* kl below 1"),
    ],
)
def test_routers_are_trained_only_where_experts_went(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        check_combination(spec(**fields, recover="router"))
    assert (refused.value.field, refused.value.value) == ("recover", "router")


def test_routers_of_a_model_that_stays_learn_the_text() -> None:
    check_combination(spec(method="none", sparsity=0.0, recover={"kind": "router", "kl": 0.5}))


@pytest.mark.parametrize("nothing", [None, "none"])
def test_none_trains_nothing(nothing: str | None) -> None:
    assert spec(recover=nothing) == spec()


@pytest.mark.parametrize(
    ("value", "where", "message"),
    [
        ("dense", ("recover", "kind"), "'masked', 'mask_lora', 'spp', 'ast' or 'router'"),
        ({"tokens": 5}, ("recover", "kind"), "Field required"),
        ({"kind": "spp", "tokens": 0}, ("recover", "tokens"), "greater than or equal to 1"),
        ({"kind": "spp", "kl": 1.5}, ("recover", "kl"), "less than or equal to 1"),
        ({"kind": "spp", "lr": 0.0}, ("recover", "lr"), "greater than 0"),
        ({"kind": "spp", "rank": 4}, ("recover", "rank"), "not permitted"),
        (True, ("recover",), "has the wrong type"),
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
    written = spec().model_dump(mode="json") | {"propagation": "fused"}
    before = {key: value for key, value in written.items() if key in FIRST_FIELDS}
    assert search_columns(spec(), None)["spec_digest"] == digest(before)
    assert search_columns(spec(recover="spp"), None)["spec_digest"] != digest(before)


def test_jobs_of_before_its_last_member_keep_their_digest() -> None:
    recover = {"kind": "masked", "tokens": 99, "lr": None, "kl": 1.0, "temperature": 1.0}
    mix = [{"dataset": "ptb", "share": 0.25, "text_field": None}]
    asked = spec(recover=recover, mix=mix)
    written = asked.model_dump(mode="json") | {"propagation": "fused"}
    before = {key: value for key, value in written.items() if key in FIRST_FIELDS}
    before |= {"recover": recover, "mix": mix}
    found = [
        search_columns(one, None)["spec_digest"]
        for one in (
            spec(recover=recover | {"skip": 0}, mix=mix),
            spec(recover=recover | {"skip": 4}, mix=mix),
            spec(recover=recover | {"skip": 0}, mix=[{"generated": True, "share": 0.25}]),
        )
    ]
    assert found[0] == digest(before)
    assert len(set(found)) == 3
