"""How a job propagates that asks for neither way, and one that was stored before."""

from typing import Any

import pytest

from db.jobs.search import search_columns
from db.spec.options.target import candidates_of
from db.spec.propagation import propagation_of
from db.spec.prune_spec import PruneSpec

TARGET = {"target": {"parameters": "6B"}}
AIMING = {"method": "neurons", **TARGET}


def spec(**fields: Any) -> PruneSpec:
    return PruneSpec.model_validate({"model": "m", "dataset": "c4"} | fields)


@pytest.mark.parametrize(
    ("fields", "implied"),
    [
        ({"method": "wanda", "sparsity": 0.5}, "fused"),
        ({"method": "neurons", "ratio": 0.25}, "fused"),
        ({"method": "pgp", "ratio": 0.25}, "fused"),
        ({"method": "experts", "ratio": 0.25}, "reference"),
        ({"method": "experts", **TARGET, "refine": True}, "reference"),
        (AIMING, "reference"),
        ({"method": "heads", **TARGET}, "reference"),
        ({"method": "depth", **TARGET}, "fused"),  # measures the dense model in both
        (AIMING | {"steps": 1, "correction": 0.0}, "reference"),
        (AIMING | {"recover": "masked", "selection": "ptl"}, "reference"),
        (AIMING | {"refine": True}, "fused"),
        (AIMING | {"correction": 0.3}, "fused"),
        (AIMING | {"steps": 2}, "fused"),
        (AIMING | {"keep_dataset": "wikitext2"}, "fused"),
    ],
)
def test_the_dense_model_decides_where_the_next_size_then_only_cuts(
    fields: dict[str, Any], implied: str
) -> None:
    assert propagation_of(spec(**fields)) == implied
    other = "fused" if implied == "reference" else "reference"
    digests = [
        search_columns(spec(**fields, propagation=asked), None)["spec_digest"]
        for asked in (None, implied, other)
    ]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("asked", ["fused", "reference"])
@pytest.mark.parametrize("fields", [AIMING, {"method": "neurons", "ratio": 0.25}])
def test_what_a_job_asks_for_counts_also_after_it_was_stored(
    fields: dict[str, Any], asked: str
) -> None:
    stored = spec(**fields, propagation=asked).stored()
    assert stored["propagation"] == asked
    assert propagation_of(PruneSpec.from_stored(stored)) == asked


def test_each_method_that_a_job_compares_propagates_as_in_a_job_of_its_own() -> None:
    target = {"parameters": "6B", "candidates": ["depth", "heads", "experts"]}
    found = [propagation_of(own) for own in candidates_of(spec(method="neurons", target=target))]
    assert found == ["reference", "fused", "reference", "reference"]
