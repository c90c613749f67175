"""The metrics that a gate may bound."""

import pytest

from db.core.errors import SpecRefusedError
from db.spec.metrics import BENCHMARK_METRICS, check_gate
from db.spec.quality_gate import Gate


@pytest.mark.parametrize("name", BENCHMARK_METRICS)
def test_a_gate_on_a_speed_is_refused_for_a_job_without_benchmark(name: str) -> None:
    gate = Gate(min={name: 1.1})
    check_gate(gate, benchmark=True)
    with pytest.raises(SpecRefusedError) as refused:
        check_gate(gate)
    assert (refused.value.field, refused.value.value) == ("gate.min", name)
    assert refused.value.remedy.startswith("Set benchmark to true. ")


def test_a_speed_that_does_not_exist_is_refused_with_a_similar_one() -> None:
    with pytest.raises(SpecRefusedError, match=r"Did you mean speed\.decode_ratio\?"):
        check_gate(Gate(min={"speed.decode": 1.1}), benchmark=True)
