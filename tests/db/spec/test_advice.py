"""Advice on a valid job: what was measured to be better, and at which cost."""

import pytest

from db.spec.advice import advice
from db.spec.combination import check_combination
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.presets import PresetName
from tests.factories import make_spec

ZEROS = "Zeros make a model neither smaller nor faster"
OWL = "allocation owl lowered"
MIX = "recover trains on one text"


def begins(spec: PruneSpec) -> list[str]:
    """Return which advice is given, by words of each sentence."""
    known = (ZEROS, OWL, MIX, "reached perplexity")
    return [next(words for words in known if words in text) for text in advice(spec)]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "Method zpruner, the default, reached perplexity 67.7 at 50 % (SmolLM2-135M-Instruct"),
        ({}, "dense 28.7); preset fast 61.4 in 1.1 forward passes, preset balanced 40.8 in 7.7 "),
        ({"sparsity": 0.62}, "reached perplexity 185.0 at 60 %"),
        ({"sparsity": 0.9}, "reached perplexity 1,224 at 70 %"),
        ({"pattern": "2:4"}, "reached perplexity 203.9 at 2:4"),
        ({"pattern": "4:8"}, "dense 28.7); preset fast 102.8 in 1.1 forward passes of the"),
        ({"method": "ria"}, "Method ria reached perplexity 64.4 at 50 %"),
        ({"method": "gblm", "sparsity": 0.7}, "dense 28.7); preset balanced 74.5 in 7.7 forward"),
    ],
)
def test_a_score_alone_gets_the_presets_that_are_better_with_their_costs(
    fields: dict[str, object], text: str
) -> None:
    assert text in advice(make_spec(**fields))[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "alps"},
        {"solver": "sparsegpt"},
        {"sparsity": 0.3},
        {"refine": True},
        {"preset": "fast"},
        {"preset": "best", "method": "zpruner"},
        {"pattern": "1:4", "sparsity": 0.75},
        {"pattern": "4:8", "method": "wanda"},  # balanced was not measured at 4:8
    ],
)
def test_who_has_chosen_a_preset_or_repairs_the_mask_gets_none(fields: dict[str, object]) -> None:
    assert "reached perplexity" not in begins(make_spec(**fields))


@pytest.mark.parametrize(
    ("fields", "is_given"),
    [
        ({"method": "admm", "sparsity": 0.6}, True),
        ({"preset": "balanced", "sparsity": 0.7}, True),
        ({"method": "admm", "sparsity": 0.5}, False),
        ({"method": "admm", "pattern": "1:4"}, False),
        ({"method": "admm", "sparsity": 0.6, "allocation": "dlp"}, False),
        ({"preset": "best", "sparsity": 0.6, "allocation": "uniform"}, False),  # on purpose
        ({"sparsity": 0.7}, False),  # with zpruner it made the result worse
    ],
)
def test_owl_is_advised_where_it_helped_and_can_be_set(
    fields: dict[str, object], is_given: bool
) -> None:
    spec = make_spec(**fields)
    assert (OWL in begins(spec)) is is_given
    if is_given:
        check_combination(make_spec(**fields, allocation="owl"))


@pytest.mark.parametrize(
    ("fields", "is_given"),
    [
        ({"method": "admm", "recover": "masked"}, True),
        ({"method": "none", "sparsity": 0.0, "recover": {"kind": "spp", "kl": 0.5}}, True),
        ({"method": "experts", "sparsity": 0.0, "ratio": 0.5, "recover": "router"}, False),
        ({"recover": "masked", "mix": ["generated=0.5"]}, False),
        ({"preset": "best"}, False),
        ({"preset": "best", "mix": []}, False),  # on purpose
    ],
)
def test_a_recovery_on_one_text_gets_the_mix_that_helped(
    fields: dict[str, object], is_given: bool
) -> None:
    spec = make_spec(**fields)
    assert (MIX in begins(spec)) is is_given
    if is_given:
        check_combination(make_spec(**fields | {"mix": ["generated=0.5"]}))


@pytest.mark.parametrize(
    ("fields", "is_given"),
    [
        ({}, True),
        *(({"preset": preset}, True) for preset in PresetName),
        ({"pattern": "2:4"}, False),  # GPUs have instructions for it
        ({"quantize": "w4a16"}, False),
        ({"binarize": True, "sparsity": 0.0}, False),
        ({"method": "none", "sparsity": 0.0, "quantize": "w4a16"}, False),
        ({"method": "neurons", "sparsity": 0.0, "ratio": 0.25}, False),
        ({"sparsity": 0.0, "eval_dataset": "wikitext2"}, False),
    ],
)
def test_zeros_alone_are_said_to_save_nothing(fields: dict[str, object], is_given: bool) -> None:
    assert (ZEROS in begins(make_spec(**fields))) is is_given
    check_combination(make_spec(**fields))


def test_each_advice_is_one_line() -> None:
    given = advice(make_spec(method="admm", sparsity=0.7, recover="masked")) + advice(make_spec())
    assert len(given) == 5
    assert not any("\n" in text for text in given)
