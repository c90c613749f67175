from typing import Any

import pytest
from pydantic import ValidationError

from db.core.digests import digest
from db.core.errors import SpecRefusedError
from db.jobs.search import FIRST_FIELDS, search_columns
from db.spec.combination import check_combination
from db.spec.prune_spec import PruneSpec


def _spec(**fields: Any) -> PruneSpec:
    return PruneSpec.model_validate({"model": "m", "sparsity": 0.5, "dataset": "c4"} | fields)


NEURONS = {"method": "neurons", "ratio": 0.25, "sparsity": 0.0}
ADAPT = {**NEURONS, "method": "adapt"}


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"method": "alps", "solver": "admm"}, "solver", "chooses its own mask"),
        ({"damping": 0.1}, "damping", "no solver"),
        ({"refine": True, "damping": 0.1}, "damping", "no solver"),
        ({"refine": True, "samples": 7}, "samples", "refine needs 8 calibration windows"),
        ({"refine": {"tokens": 4095}, "seq_len": 512}, "refine", "refine needs 8"),
        ({"refine": {"tokens": 7}}, "refine", "refine needs 8"),
        ({"correction": 0.0}, "correction", "no solver"),
        ({"solver": "dsnot", "correction": 0.3}, "correction", "no solver"),
        ({"pattern": "4:4"}, "pattern", "keeps everything"),
        ({"pattern": "1:4"}, "sparsity", "gives 0.75"),
        ({"pattern": "2:4", "allocation": "owl"}, "allocation", "the same sparsity"),
        ({"pattern": "2:4", "allocation": [0.5, 0.5]}, "allocation", "the same sparsity"),
        ({"pattern": "2:4", "allocation": "matrix"}, "allocation", "the same sparsity"),
        (
            {"pattern": "2:4", "allocation": {"name": "dlp", "spread": 0.1}},
            "allocation",
            "the same sparsity",
        ),
        ({"pattern": "2:4", "scope": "row"}, "scope", "which weights compete"),
        ({"variant": "sm"}, "variant", "only the method exact"),
        ({"solver": "exact", "variant": "sm"}, "variant", "only the method exact"),
        ({"method": "exact", "variant": "ms"}, "variant", "there is no pattern"),
        ({"method": "exact", "variant": "mm"}, "variant", "there is no pattern"),
        ({"method": "exact", "pattern": "8:16"}, "variant", "a group of 8:16 has 12,870 sets"),
        ({"sparsity": 0.0}, "sparsity", "no weight would be pruned"),
        ({"method": "none"}, "sparsity", "prunes nothing"),
        ({"method": "none", "pattern": "2:4"}, "pattern", "prunes nothing"),
        ({"method": "none", "sparsity": 0.0, "refine": True}, "refine", "prunes nothing"),
        ({"sparsity": 0.0, "allocation": [0.0, 0.0]}, "sparsity", "no weight would be pruned"),
        (
            {"sparsity": 0.0, "eval_dataset": "ptb", "recover": "masked"},
            "recover",
            "nothing to recover",
        ),
        ({"method": "none", "sparsity": 0.0, "recover": "ast"}, "recover", "changes the zeros"),
        (
            {"method": "none", "sparsity": 0.0, "recover": {"kind": "spp", "kl": 1.0}},
            "recover",
            "its own teacher",
        ),
        ({"ratio": 0.25}, "ratio", "method zpruner removes no units or blocks"),
        ({"method": "neurons", "sparsity": 0.0}, "ratio", "needs the share"),
        ({"method": "neurons", "ratio": 0.25}, "sparsity", "removes whole units"),
        *(
            ({**NEURONS, name: value}, name, "removes whole units or blocks")
            for name, value in {
                "pattern": "2:4",
                "solver": "alps",
                "allocation": "owl",
                "scope": "row",
                "skip": ["*.o_proj"],
            }.items()
        ),
        ({**ADAPT, "ratio": None}, "ratio", "needs the share"),
        ({**ADAPT, "skip": ["*.o_proj"]}, "skip", "removes whole units or blocks"),
        ({"uniform": False}, "uniform", "does not choose how many units each block loses"),
        ({**NEURONS, "uniform": False}, "uniform", "always makes the model smaller"),
        ({**ADAPT, "search_steps": 9}, "search_steps", "method adapt makes no search"),
        (
            {**ADAPT, "search_start": "job:job_1"},
            "search_start",
            "method adapt makes no search",
        ),
        (
            {**ADAPT, "method": "pgp", "search_start": "job:job_1", "steps": 2},
            "search_start",
            "the search starts anew in each step",
        ),
        ({"expect": {"search_start": "0"}}, "expect", "the job starts from no search"),
        ({"selection": "ptl"}, "selection", "method zpruner selects no channels"),
        ({**ADAPT, "selection": "energy"}, "selection", "method adapt selects no channels"),
        ({**NEURONS, "method": "depth", "damping": 0.1}, "damping", "no solver"),
        ({**NEURONS, "method": "depth", "correction": 0.1}, "correction", "no solver"),
        ({**NEURONS, "variant": "sm"}, "variant", "only the method exact"),
        ({**NEURONS, "recover": "ast"}, "recover", "stand for what it removes"),
        ({"allocation": [0.4, 0.5]}, "sparsity", "of the 2 sparsities in allocation is 0.45"),
    ],
)
def test_invalid_combinations_are_rejected_with_a_remedy(
    fields: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as caught:
        check_combination(_spec(**fields))
    assert caught.value.field == field
    assert caught.value.remedy


@pytest.mark.parametrize(
    "option",
    [
        {"solver": "alps"},
        {"solver": "dsnot"},
        {"allocation": "owl"},
        {"allocation": [0.0, 0.0]},
        {"scope": "row"},
        {"correction": 0.0},
        {"damping": 0.1},
    ],
)
def test_options_of_pruning_are_refused_beside_method_none(option: dict[str, Any]) -> None:
    fields = {"model": "m", "dataset": "c4", "method": "none"}
    check_combination(PruneSpec.model_validate(fields))
    [(name, value)] = option.items()
    with pytest.raises(SpecRefusedError, match="method none keeps the zeros") as caught:
        check_combination(PruneSpec.model_validate(fields | option))
    assert (caught.value.field, caught.value.value) == (name, value)
    assert caught.value.remedy.startswith(f"Leave {name} out")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"method": "sparsegpt", "pattern": "2:4"},
        {"solver": "alps", "allocation": "owl"},
        {"method": "wanda", "solver": "sparsegpt", "correction": 0.2},
        {"method": "alps", "correction": 1.0, "damping": 0.01},
        {"method": "exact", "variant": "sm"},
        {"method": "exact", "variant": "ms", "pattern": "2:4"},
        {"method": "exact", "variant": "sm", "pattern": "8:16"},
        {"method": "ria", "solver": "exact", "damping": 0.3},
        {"pattern": "1:4", "sparsity": 0.75},
        {"sparsity": 0.0, "eval_dataset": "wikitext2"},
        {"method": "none", "sparsity": 0.0, "skip": ["*.o_proj"]},
        {"allocation": [0.25, 0.5, 0.75]},
        {"refine": True, "correction": 0.5, "samples": 8},
        {"refine": {"tokens": 4096, "steps": 0}, "seq_len": 512, "pattern": "2:4"},
        {"allocation": [0.1, 0.1, 0.2], "sparsity": 0.133333},
        {"method": "wanda", "scope": "matrix", "solver": "sparsegpt"},
        {"recover": "ast", "pattern": "2:4"},
        {"method": "none", "sparsity": 0.0, "recover": {"kind": "masked", "kl": 0.67}},
        {**NEURONS, "correction": 0.5, "damping": 0.1, "refine": True, "recover": "masked"},
        {**NEURONS, "method": "heads", "damping": 0.1},
        {**ADAPT, "damping": 0.1, "correction": 0.5, "refine": True, "recover": "masked"},
        {**ADAPT, "method": "pgp", "uniform": False, "propagation": "reference"},
        {**NEURONS, "method": "depth", "refine": True, "correction": 0.5, "recover": "spp"},
    ],
)
def test_valid_combinations_pass(fields: dict[str, Any]) -> None:
    check_combination(_spec(**fields))


@pytest.mark.parametrize(
    ("pattern", "share"), [("2:4", 0.5), ("4:8", 0.5), ("1:4", 0.75), ("7:8", 0.125)]
)
def test_a_pattern_implies_the_sparsity(pattern: str, share: float) -> None:
    for absent in ({}, {"sparsity": None}):
        fields = {"model": "m", "dataset": "c4", "pattern": pattern} | absent
        spec = PruneSpec.model_validate(fields)
        assert spec.sparsity == share
        check_combination(spec)
        assert "sparsity" not in fields or fields["sparsity"] is None  # the caller's own stay


@pytest.mark.parametrize("pattern", ["2", "2:4 ", "02:4", "0:4", "2:100", "a:b", "2:4\n"])
def test_a_pattern_is_two_numbers(pattern: str) -> None:
    with pytest.raises(ValidationError, match="is not a pattern"):
        _spec(pattern=pattern)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (False, None),
        (None, None),
        (True, {"scope": "block", "steps": 128, "tokens": None, "lr": None, "norms": True}),
        (
            {"scope": "half", "lr": "auto", "steps": 3},
            {"scope": "half", "steps": 3, "tokens": None, "lr": None, "norms": True},
        ),
    ],
)
def test_refine_is_a_flag_or_an_object(given: Any, stored: Any) -> None:
    spec = _spec(refine=given)
    assert spec.model_dump(mode="json")["refine"] == stored
    assert _spec(refine=stored) == spec


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("yes", ("refine",)),
        ([], ("refine",)),
        ({"scope": "layer"}, ("refine", "scope")),
        ({"steps": -1}, ("refine", "steps")),
        ({"steps": 24.0}, ("refine", "steps")),
        ({"tokens": 0}, ("refine", "tokens")),
        ({"lr": 0.0}, ("refine", "lr")),
        ({"lr": "fast"}, ("refine", "lr")),
        ({"norms": 1}, ("refine", "norms")),
        ({"epochs": 2}, ("refine", "epochs")),
    ],
)
def test_each_part_of_refine_is_checked(given: Any, place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as refused:
        _spec(refine=given)
    assert [error["loc"] for error in refused.value.errors()] == [place]


def test_only_a_job_that_keeps_the_shapes_has_another_digest_than_before_the_field() -> None:
    spec = _spec(**ADAPT)
    written = (spec.model_dump(mode="json") | {"propagation": "fused"}).items()
    before = {key: value for key, value in written if key in FIRST_FIELDS or key == "ratio"}
    assert search_columns(spec, None)["spec_digest"] == digest(before)
    in_place = search_columns(_spec(**ADAPT, uniform=False), None)
    assert in_place["spec_digest"] == digest(before | {"uniform": False})


def test_the_refusal_of_a_missing_value_names_the_field_alone() -> None:
    with pytest.raises(SpecRefusedError, match=r"^ratio: method neurons needs the share"):
        check_combination(_spec(method="neurons", sparsity=0.0))
