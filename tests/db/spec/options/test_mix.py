"""The texts that are mixed with `dataset`, and their shares."""

from fractions import Fraction
from typing import Any

import pytest
from pydantic import ValidationError

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.options.mix import generated_share, shares_of
from db.spec.prune_spec import named_texts
from tests.factories import make_spec

B, C = {"dataset": "local:b.txt", "share": 0.1}, {"dataset": "ptb", "share": 0.2}
WRITTEN = {"generated": True, "share": 0.5}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"mix": [B, C | {"share": 0.9}]}, "leave nothing for dataset"),
        ({"mix": [C, C]}, "ptb is in it twice"),
        ({"dataset": "ptb", "mix": [C]}, "ptb is in it twice"),
        ({"eval_dataset": "local:b.txt", "mix": [C, B]}, "local:b.txt is measured on"),
        ({"eval_texts": ["local:b.txt"], "mix": [B]}, "local:b.txt is measured on"),
        ({"mix": [WRITTEN, WRITTEN | {"share": 0.2}]}, "generated is in it twice"),
        ({"mix": [WRITTEN, C | {"share": 0.5}]}, "leave nothing for dataset"),
    ],
)
def test_a_mix_has_each_text_once_leaves_a_share_and_is_not_measured_on(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        check_combination(make_spec(**{"dataset": "c4"} | fields))
    assert refused.value.field == "mix"


def test_a_text_with_splits_of_its_own_is_mixed_and_measured_on() -> None:
    check_combination(make_spec(dataset="c4", eval_dataset="ptb@2048", eval_texts=["ptb"], mix=[C]))


@pytest.mark.parametrize("share", [0.0, -0.5, 1.0, float("nan")])
def test_a_share_is_above_0_and_below_1(share: float) -> None:
    with pytest.raises(ValidationError):
        make_spec(mix=[B | {"share": share}])


def test_shares_are_exact_and_add_up() -> None:
    assert shares_of(make_spec(mix=[B, C])) == (Fraction(7, 10), Fraction(1, 10), Fraction(1, 5))


def test_a_text_and_its_share_are_one_word_too() -> None:
    written = make_spec(mix=["local:a=b.txt=0.1", "ptb=0.2"])
    assert written == make_spec(mix=[B | {"dataset": "local:a=b.txt"}, C])
    assert make_spec(mix=["generated=0.5"]) == make_spec(mix=[WRITTEN])


@pytest.mark.parametrize("text", ["ptb=much", "ptb", "", '{"generated": true, "share": 0.5}'])
def test_a_word_that_is_no_text_with_its_share_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a text with its share"):
        make_spec(mix=[text])


def test_a_built_in_text_of_a_mix_has_no_fields_to_choose_from() -> None:
    with pytest.raises(SpecRefusedError, match="ptb is built in") as refused:
        check_combination(make_spec(dataset="c4", mix=[C | {"text_field": "body"}]))
    assert refused.value.field == "mix.0.text_field"


def test_each_text_of_a_mix_has_its_place_and_its_column() -> None:
    spec = make_spec(dataset="c4", mix=[C, B | {"text_field": "body"}])
    assert list(named_texts(spec)) == [
        ("dataset", "c4", None),
        ("mix.0.dataset", "ptb", None),
        ("mix.1.dataset", "local:b.txt", "body"),
    ]


@pytest.mark.parametrize(
    "text", [{"share": 0.5}, {"generated": False, "share": 0.5}, WRITTEN | {"dataset": "c4"}]
)
def test_a_text_of_a_mix_is_a_dataset_or_generated(text: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="names no text, or two"):
        make_spec(mix=[text])


def test_generated_text_is_no_dataset_and_has_no_column() -> None:
    spec = make_spec(dataset="c4", mix=[WRITTEN, C])
    assert [field for field, *_ in named_texts(spec)] == ["dataset", "mix.1.dataset"]
    assert (generated_share(spec), generated_share(make_spec(mix=[C]))) == (0.5, 0.0)
    with pytest.raises(SpecRefusedError, match="names no mix"):
        check_combination(make_spec(dataset="c4", mix=[WRITTEN | {"text_field": "body"}]))
