"""What a model card says of how the model was pruned."""

from typing import Any

import pytest

from db.spec.catalogue import METHODS
from tests.factories import make_spec
from worker.jobs.model_card import model_card

SOURCES = {str(method.name): method.source for method in METHODS}


def patterns(*held: str, requested: str | None = None, broken: int | None = None) -> Any:
    return {"matrices": 21, "held": held, "requested": requested, "broken": broken}


def card(
    metrics: dict[str, Any] | None = None, report: dict[str, Any] | None = None, **fields: Any
) -> str:
    return model_card(
        {
            "spec": make_spec(**fields).model_dump(mode="json"),
            "model": {"name": "org/model", "revision": "abc"},
            "metrics": {
                "sparsity": 0.5,
                "dense_perplexity": 8.0,
                "pruned_perplexity": None,
                "intervals": {},
                "coverage": 1.0,
                "fallbacks": 0,
                "parameters": 75,
                "parameters_removed": 0,
                "patterns": patterns(),
            }
            | (metrics or {}),
            "computed": {"propagation": "fused", "dtype": "bfloat16"},
            "blocks": [{"untouched": ["norm"]}],
            "calibration": {},
            "evaluation": {},
            "warnings": [],
        }
        | (report or {})
    )


@pytest.mark.parametrize(
    ("fields", "said", "used"),
    [
        ({}, ["unstructured, 50 %, scope `matrix`", "no kept weight changed"], ["zpruner"]),
        ({"method": "wanda"}, ["scored by the method `wanda`", "50 %, scope `row`"], ["wanda"]),
        (
            {"method": "admm", "pattern": "2:4"},
            ["mask and weights by the method `admm`", "2:4", "correction 0.3, damping 0.1"],
            ["admm"],
        ),
        (
            {"method": "alps", "allocation": "owl", "propagation": "reference"},
            ["allocation `owl`", "correction 0, damping 0.01"],
            ["alps", "owl"],
        ),
        (
            {"method": "ria", "solver": "sparsegpt", "correction": 0.7, "damping": 0.2},
            ["repaired by the solver `sparsegpt`", "correction 0.7, damping 0.2"],
            ["ria", "sparsegpt"],
        ),
        (
            {"refine": True},
            ["kept weights and norms of each block trained in 128 steps", "correction 0.3"],
            ["zpruner"],
        ),
        (
            {"solver": "sparsegpt", "refine": {"norms": False, "scope": "half"}},
            ["kept weights of each half trained", "repaired by the solver"],
            ["zpruner", "sparsegpt"],
        ),
        (
            {"solver": "dsnot", "allocation": [0.4, 0.6], "scope": "row"},
            ["improved by the solver `dsnot`", "no kept weight", "a sparsity named for each block"],
            ["zpruner", "dsnot"],
        ),
        ({"method": "none", "sparsity": 0.0}, ["no weight pruned or changed", "propagation"], []),
        ({"method": "exact", "pattern": "2:4"}, ["method `exact`", "variant `mm`"], ["exact"]),
        (
            {"method": "wanda", "allocation": {"name": "matrix", "spread": 0.1}},
            ["allocation `matrix` with spread 0.1", "each block has the sparsity"],
            ["wanda", "matrix"],
        ),
        (
            {"method": "wanda", "allocation": "dlp"},
            ["`dlp` with spread 0.15", "the mean of all blocks has the sparsity"],
            ["wanda", "dlp"],
        ),
    ],
)
def test_a_model_card_links_the_papers_of_the_methods_used_only(
    fields: dict[str, Any], said: list[str], used: list[str]
) -> None:
    text = card(**fields)
    for words in said:
        assert words in text
    assert {name for name, source in SOURCES.items() if f"({source})" in text} == set(used)
    assert "None" not in text


def test_a_model_card_says_what_was_trained() -> None:
    assert "Pruned without retraining" in card()
    assert "unchanged, and so are these tensors" in card(refine={"norms": False})
    trained = card(refine=True)
    assert "Pruned and trained block by block" in trained
    assert "not pruned, but their norms were trained: `norm`" in trained
    rotated = card(refine=True, quantize="w4a16", rotate="auto")
    assert "head are those of the rotated model. These tensors of the blocks were not" in rotated
    assert "no kept weight changed" not in trained


def test_a_model_card_has_the_intervals_of_the_perplexities() -> None:
    ends = {"dense_perplexity": [7.5, 8.53], "pruned_perplexity": [9, 10.25]}
    assert "| its 95 % interval | 7.5000 to 8.5300 | 9.0000 to 10.2500 |" in card(
        {"intervals": ends}
    )
    assert "interval" not in card()


def recovered(kept_start: bool, **more: float) -> str:
    settings = {"kind": "masked", "kl": 0.75, "temperature": 2.0}
    steps = {"steps": 32, "best_step": 30, "tokens": 262_144, "kept_start": kept_start}
    measured = steps | {"held_out_loss_before": 3.5, "held_out_loss_after": 3.25} | more
    metrics = {"recovery": measured, "perplexity_before_recovery": 12.5}
    report = {"recovery": {"settings": settings, "training": {}}}
    return card(metrics, report, recover="masked")


def test_a_recovered_model_is_not_said_to_be_as_it_was_pruned() -> None:
    text = recovered(kept_start=False)
    assert "Pruned and trained to predict as the dense model does" in text
    assert "norms were trained" in text
    assert "| perplexity before recovery | | 12.5000 |" in text
    assert "recovery `masked`: 32 steps on 262,144 tokens, zeros kept" in text
    changed = recovered(kept_start=False, mask_moved=0.0525)
    assert "on 262,144 tokens, 5.25% of the mask's places moved" in changed
    assert "0.75 of the divergence from the dense model at temperature 2, 0.25 of the" in text
    assert "weights of step 30, which lowered the held-out loss from 3.5000 to 3.2500" in text
    assert "no step lowered the held-out loss of 3.5000" in recovered(kept_start=True)


def test_a_model_card_says_which_patterns_hold_and_how_programs_use_them() -> None:
    text = card({"patterns": patterns("2:4", "4:8", requested="2:4", broken=0)})
    assert "The patterns 2:4 and 4:8 hold. Every group of the 21 pruned matrices was read" in text
    for name in ("to_sparse_semi_structured", "trtexec", "cuSPARSELt", "OpThresholdPrunerConfig"):
        assert name in text
    assert "none of them was tested" in text
    assert "N:M" not in card()


def test_a_model_card_says_that_the_requested_pattern_does_not_hold() -> None:
    text = card({"patterns": patterns("4:8", requested="2:4", broken=1)})
    assert "2:4 **does not hold** in one matrix. The pattern 4:8 holds." in text
    assert "to_sparse_semi_structured" not in text
