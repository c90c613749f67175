"""Which jobs can be divided into steps."""

from typing import Any

import pytest
from pydantic import ValidationError

from db.core.errors import SpecRefusedError
from db.jobs.search import search_columns
from db.spec.combination import check_combination
from db.spec.prune_spec import PruneSpec


def spec(**fields: Any) -> PruneSpec:
    given = {"model": "a/b", "dataset": "c4", "sparsity": 0.5, "steps": 10}
    return PruneSpec.model_validate(given | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"steps": None, "pattern": "2:4"},
        {"steps": 1, "pattern": "2:4"},
        {"method": "sparsegpt", "allocation": "owl", "refine": True, "recover": "masked"},
        {"method": "wanda", "allocation": [0.4, 0.6]},
        {"method": "neurons", "ratio": 0.2, "sparsity": None},
        {"method": "adapt", "ratio": 0.2, "sparsity": None, "uniform": False},
        {"method": "pgp", "ratio": 0.2, "sparsity": None},
        {"preset": "best", "steps": 50},
    ],
)
def test_steps_suit_any_method_that_prunes(fields: dict[str, Any]) -> None:
    check_combination(spec(**fields))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pattern": "2:4"}, "pattern 2:4 has one sparsity"),
        ({"method": "none", "sparsity": None}, "method none prunes nothing"),
        ({"sparsity": 0.0, "eval_dataset": "c4"}, "no weight would be pruned"),
        ({"quantize": "w4a16"}, "a step continues weights that are not rounded"),
        ({"recover": "ast"}, "the recovery ast changes the zeros"),
    ],
)
def test_what_cannot_be_divided_is_refused_with_a_remedy(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as caught:
        check_combination(spec(**fields))
    assert caught.value.field == "steps"
    assert caught.value.remedy


@pytest.mark.parametrize("steps", [0, 51, 2.5, True])
def test_steps_are_a_whole_number_up_to_50(steps: object) -> None:
    with pytest.raises(ValidationError, match="steps"):
        spec(steps=steps)


def test_jobs_without_steps_keep_the_digest_that_they_had() -> None:
    digests = [search_columns(spec(steps=one), None)["spec_digest"] for one in (None, 2, 3)]
    assert len(set(digests)) == 3
    without = PruneSpec.model_validate({"model": "a/b", "dataset": "c4", "sparsity": 0.5})
    assert search_columns(without, None)["spec_digest"] == digests[0]
