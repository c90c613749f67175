"""The metrics that a gate may bound."""

from itertools import chain
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.metrics import METRIC_NAMES, OPTIONAL_METRICS, check_gate
from db.spec.quality_gate import Gate
from tests.factories import make_spec

VALUES: dict[str, Any] = {
    "recover": "masked",
    "pattern": "2:4",
    "steps": 2,
    "quantize": "w4a16",
    "binarize": True,
    "generate": True,
    "rank_answers": True,
    "benchmark": True,
    "rotate": "auto",
    "target": {"parameters": "1B"},
    "vocabulary": {"dataset": "c4"},
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
    if field == "steps":
        with pytest.raises(SpecRefusedError):
            check_gate(gate, make_spec(steps=1))
    with pytest.raises(SpecRefusedError) as refused:
        check_gate(gate, make_spec())
    assert (refused.value.field, refused.value.value) == ("gate.min", name)
    assert refused.value.remedy.startswith(f"Set {field}. ")


def test_no_metric_is_listed_twice() -> None:
    names = [*METRIC_NAMES, *chain(*OPTIONAL_METRICS.values())]
    assert len(names) == len(set(names))


def test_a_refusal_lists_the_metrics_that_the_job_will_have_and_no_others() -> None:
    with pytest.raises(SpecRefusedError) as refused:
        check_gate(Gate(max={"recovery.seconds": 1.0}), make_spec(pattern="2:4", tasks=["boolq"]))
    assert "recovery.tokens" not in refused.value.remedy
    assert "quantization.bits" not in refused.value.remedy
    for name in ("sparsity", "patterns.broken", "acc_drop.boolq"):
        assert name in refused.value.remedy


def test_bounds_that_contradict_each_other_are_refused() -> None:
    check_gate(Gate(max={"sparsity": 0.5}, min={"sparsity": 0.5, "zeros": 9.0}), make_spec())
    with pytest.raises(SpecRefusedError, match=r"at least 0\.6 and at most 0\.4") as refused:
        check_gate(Gate(max={"sparsity": 0.4}, min={"sparsity": 0.6}), make_spec())
    assert (refused.value.field, refused.value.value) == ("gate.min", "sparsity")
    assert refused.value.remedy.startswith("Set sparsity in min to 0.4 or less")


def test_a_speed_that_does_not_exist_is_refused_with_a_similar_one() -> None:
    with pytest.raises(SpecRefusedError, match=r"Did you mean speed\.decode_ratio\?"):
        check_gate(Gate(min={"speed.decode": 1.1}), make_spec(benchmark=True))
