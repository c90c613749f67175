"""The size that a result may have, as people write it, and what it goes with."""

from typing import Any

import pytest
from pydantic import ValidationError

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.metrics import metrics_of
from db.spec.options.target import candidates_of
from db.spec.prune_spec import PruneSpec


def spec(**fields: Any) -> PruneSpec:
    given = {"model": "a/b", "dataset": "c4", "method": "neurons", "target": {"parameters": "6B"}}
    return PruneSpec.model_validate(given | fields)


@pytest.mark.parametrize(
    ("target", "limit"),
    [
        ({"parameters": "6B"}, 6_000_000_000),
        ({"parameters": 350_000_000}, 350_000_000),
        ({"active_parameters": "1.5 b"}, 1_500_000_000),
        ({"bytes": "3.5 GB"}, 3_500_000_000),
        ({"bytes": "2GiB"}, 2**31),
        ({"memory": "24 gb", "context": 8192, "batch": 4}, 24_000_000_000),
        ("parameters=6B", 6_000_000_000),
        ("memory=24 GB, context=8192", 24_000_000_000),
    ],
)
def test_a_size_is_a_number_with_or_without_a_unit(
    target: str | dict[str, Any], limit: int
) -> None:
    one = spec(target=target)
    check_combination(one)
    assert one.target is not None
    assert one.target.limit == limit
    assert PruneSpec.model_validate_json(one.model_dump_json()) == one


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"parameters": "6Q"}, "is not a size"),
        ({"bytes": "six"}, "is not a size"),
        ({"bytes": "0 GB"}, "greater than 0"),
        ({"bytes": "99999999999 TB"}, "less than or equal"),
        ({"bytes": "9" * 400}, "less than or equal"),
        (f"memory=5GB, context={'9' * 5000}", "exceeded maximum size"),
        ({"parameters": 6e9}, "valid integer"),
        ({}, "has no size, or more than one"),
        ({"parameters": 1, "bytes": 1}, "has no size, or more than one"),
        ({"memory": "1 GB"}, "has memory without context, or context without"),
        ({"bytes": "1 GB", "context": 8}, "has memory without context, or context without"),
        ({"bytes": "1 GB", "batch": 8}, "has batch without memory"),
        ({"memory": "1 GB", "context": 0}, "greater than or equal to 1"),
        ({"weights": 1}, "Extra inputs"),
        ("6B", "is not a size"),
        (6, "is not a size"),
        ("parameters=", "is not a size"),
    ],
)
def test_another_size_is_refused(target: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(target=target)


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"method": "wanda", "sparsity": 0.5}, "target", "of method wanda does not follow"),
        ({"method": "adapt"}, "target", "of method adapt does not follow"),
        ({"ratio": 0.2}, "ratio", "target says how much is removed, too"),
        ({"method": "experts", "experts": 4}, "experts", "target says how many experts stay"),
        (
            {"method": "experts", "target": {"active_parameters": "1B"}},
            "target",
            "each token keeps as many experts",
        ),
    ],
)
def test_what_has_no_known_size_or_is_said_twice_is_refused(
    fields: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as caught:
        check_combination(spec(**fields))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("candidates", "fields", "field", "reason"),
    [
        (["wanda"], {}, "target.candidates", "result of method wanda is not known beforehand"),
        (["neurons"], {}, "target.candidates", "neurons would be compared with itself"),
        (["depth", "depth"], {}, "target.candidates", "depth would be compared with itself"),
        (["depth"], {"steps": 2}, "steps", "compared by the results of whole prunings"),
        (
            ["depth"],
            {"selection": "ptl"},
            "target.candidates",
            "with method depth, selection: method depth selects no channels",
        ),
    ],
)
def test_methods_that_cannot_be_compared_are_refused(
    candidates: list[str], fields: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as caught:
        check_combination(spec(target={"parameters": "6B", "candidates": candidates}, **fields))
    assert caught.value.field == field


def test_candidates_are_read_from_a_text_and_have_metrics() -> None:
    one = spec(target="parameters=6B, candidates=depth+heads")
    check_combination(one)
    assert one == spec(target={"parameters": "6B", "candidates": ["depth", "heads"]})
    assert [own.method for own in candidates_of(one)] == ["neurons", "depth", "heads"]
    assert candidates_of(spec()) == [spec()]
    assert "target.candidates.depth.perplexity" in metrics_of(one)
    assert "target.candidates.depth.perplexity" not in metrics_of(spec())


def test_an_empty_list_of_candidates_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        spec(target={"parameters": "6B", "candidates": []})
