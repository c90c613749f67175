"""The metrics that a gate may bound."""

from itertools import chain
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.metrics import METRIC_NAMES, OPTIONAL_METRICS, check_gate
from db.spec.quality_gate import Gate
from tests.factories import make_spec

VALUES: dict[str, Any] = {
    "quantize": "w4a16",
    "binarize": True,
    "rank_answers": True,
    "benchmark": True,
    "rotate": "auto",
}


@pytest.mark.parametrize(
    ("field", "name"),
    [(field, name) for field, names in OPTIONAL_METRICS.items() for name in names],
)
def test_a_gate_on_a_metric_of_a_field_is_refused_for_a_job_without_it(
    field: str, name: str
) -> None:
    gate = Gate(min={name: 1.1})
    check_gate(gate, make_spec(**{field: VALUES[field]}))
    with pytest.raises(SpecRefusedError) as refused:
        check_gate(gate, make_spec())
    assert (refused.value.field, refused.value.value) == ("gate.min", name)
    assert refused.value.remedy.startswith(f"Set {field}. ")


def test_no_metric_is_listed_twice() -> None:
    names = [*METRIC_NAMES, *chain(*OPTIONAL_METRICS.values())]
    assert len(names) == len(set(names))


def test_a_speed_that_does_not_exist_is_refused_with_a_similar_one() -> None:
    with pytest.raises(SpecRefusedError, match=r"Did you mean speed\.decode_ratio\?"):
        check_gate(Gate(min={"speed.decode": 1.1}), make_spec(benchmark=True))
