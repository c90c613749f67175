"""Jobs that remove experts say once how many stay, and change nothing else."""

from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.prune_spec import PruneSpec

EXPERTS = {"method": "experts", "experts": 96}


def spec(**fields: Any) -> PruneSpec:
    return PruneSpec.model_validate({"model": "m", "dataset": "c4"} | fields)


@pytest.mark.parametrize(
    "fields",
    [
        EXPERTS,
        {"method": "experts", "ratio": 0.25},
        EXPERTS | {"selection": "frequency", "keep_dataset": "wikitext2"},
        EXPERTS | {"refine": True, "correction": 0.3, "propagation": "reference"},
        EXPERTS | {"preset": "best"},
    ],
)
def test_a_job_removes_experts_by_number_or_share(fields: dict[str, Any]) -> None:
    job = spec(**fields)
    check_combination(job)
    assert (job.sparsity, job.recover) == (0, None)


def test_routers_are_all_that_a_recovery_trains() -> None:
    check_combination(spec(**EXPERTS, recover="router", refine=True))


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"method": "experts"}, "experts", "needs the number .* Set experts, .* or ratio"),
        (EXPERTS | {"ratio": 0.25}, "experts", "ratio 0.25 says how many experts go, too"),
        ({"method": "wanda", "sparsity": 0.5, "experts": 4}, "experts", "removes no experts"),
        (EXPERTS | {"selection": "ptl"}, "selection", "Set selection to reap or frequency"),
        ({"method": "neurons", "ratio": 0.2, "selection": "reap"}, "selection", "energy or ptl"),
        (EXPERTS | {"recover": "masked"}, "recover", "Set its kind to router, or leave recover"),
        (EXPERTS | {"quantize": "w4a16"}, "quantize", "Leave quantize out"),
        (EXPERTS | {"steps": 2}, "steps", "Leave steps out"),
        (EXPERTS | {"damping": 0.1}, "damping", "Name a solver such as alps, or leave damping out"),
        (EXPERTS | {"pattern": "2:4"}, "pattern", "Leave pattern out"),
        (EXPERTS | {"skip": ["*.o_proj"]}, "skip", "Leave skip out"),
        (EXPERTS | {"keep_dataset": "c4"}, "keep_dataset", "it is the dataset"),
    ],
)
def test_other_combinations_are_refused_with_a_remedy(
    fields: dict[str, Any], field: str, reason: str
) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        check_combination(spec(**fields))
    assert refused.value.field == field
