from typing import Any

import pytest

from db.combinations import check_combination
from db.errors import SpecRefusedError
from db.spec import PruneSpec


def _spec(**fields: Any) -> PruneSpec:
    return PruneSpec.model_validate({"model": "m", "sparsity": 0.5, "dataset": "c4"} | fields)


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"method": "alps", "solver": "admm"}, "solver", "chooses its own mask"),
        ({"damping": 0.1}, "damping", "no solver"),
        ({"correction": 0.0}, "correction", "no solver"),
        ({"solver": "dsnot", "correction": 0.3}, "correction", "no solver"),
        ({"pattern": "4:4"}, "pattern", "keeps everything"),
        ({"pattern": "1:4"}, "sparsity", "gives 0.75"),
        ({"pattern": "2:4", "allocation": "owl"}, "allocation", "the same sparsity"),
        ({"pattern": "2:4", "allocation": [0.5, 0.5]}, "allocation", "the same sparsity"),
        ({"pattern": "2:4", "scope": "row"}, "scope", "which weights compete"),
        ({"allocation": [0.4, 0.5]}, "sparsity", "of the 2 sparsities in allocation is 0.45"),
    ],
)
def test_options_that_do_not_go_together_are_refused_with_the_remedy(
    fields: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as caught:
        check_combination(_spec(**fields))
    assert caught.value.field == field
    assert caught.value.remedy


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"method": "sparsegpt", "pattern": "2:4"},
        {"solver": "alps", "allocation": "owl"},
        {"method": "wanda", "solver": "sparsegpt", "correction": 0.2},
        {"method": "alps", "correction": 1.0, "damping": 0.01},
        {"pattern": "1:4", "sparsity": 0.75},
        {"allocation": [0.25, 0.5, 0.75]},
        {"allocation": [0.1, 0.1, 0.2], "sparsity": 0.133333},
        {"method": "wanda", "scope": "matrix", "solver": "sparsegpt"},
    ],
)
def test_options_that_go_together_pass(fields: dict[str, Any]) -> None:
    check_combination(_spec(**fields))
