from typing import Any

import pytest
from pydantic import ValidationError

from db.spec.prune_spec import PruneSpec
from db.spec.pruning.allocations import DEFAULT_SPREADS


def _stored(allocation: object) -> Any:
    fields = {"model": "m", "sparsity": 0.5, "dataset": "c4", "allocation": allocation}
    spec = PruneSpec.model_validate(fields)
    stored = spec.model_dump(mode="json")
    assert PruneSpec.model_validate(stored) == spec
    return stored["allocation"]


@pytest.mark.parametrize(
    "allocation",
    ["uniform", "owl", "dlp", "matrix", {"name": "owl", "spread": 0.15}, [0.4, 0.6]],
)
def test_an_allocation_is_stored_as_it_was_written(allocation: object) -> None:
    assert _stored(allocation) == allocation


@pytest.mark.parametrize(("name", "spread"), DEFAULT_SPREADS.items())
def test_a_default_spread_is_stored_as_the_name_alone(name: str, spread: float) -> None:
    assert _stored({"name": name, "spread": spread}) == name


@pytest.mark.parametrize(
    "wrong",
    [
        "median",
        {"name": "owl", "spread": 0.0},
        {"name": "owl", "spread": 0.51},
        {"name": "owl", "spread": "0.1"},
        {"name": "uniform", "spread": 0.1},
        {"name": "owl"},
        {"name": "owl", "spread": 0.1, "lambda": 0.1},
        [0.5, 1.0],
    ],
)
def test_another_allocation_is_refused_with_one_error(
    wrong: object,
) -> None:
    with pytest.raises(ValidationError, match="is not an allocation") as caught:
        _stored(wrong)
    assert caught.value.error_count() == 1
