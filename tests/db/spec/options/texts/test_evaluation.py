"""The texts on which a job compares its models."""

from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.metrics import check_gate
from db.spec.prune_spec import named_texts
from db.spec.quality_gate import Gate
from tests.factories import make_spec


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"eval_texts": ["ptb", "ptb"]}, "compared on ptb twice"),
        ({"eval_dataset": "ptb", "eval_texts": ["ptb"]}, "compared on ptb twice"),
        ({"eval_texts": ["c4"]}, "compared on c4 twice"),
        ({"eval_dataset": "ptb", "eval_texts": ["c4"]}, "calibrated on c4"),
    ],
)
def test_a_text_is_compared_once_and_is_not_the_calibrations(
    fields: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        check_combination(make_spec(dataset="c4", **fields))
    assert refused.value.field == "eval_texts"


@pytest.mark.parametrize("metric", ["kl", "agreement", "text_ratio"])
def test_a_gate_may_bound_each_text_of_a_job_with_confidence(metric: str) -> None:
    spec = make_spec(dataset="org/name:de", eval_texts=["ptb@2048", "local:a/b.txt"])
    for name in ("org/name:de", "ptb@2048", "local:a/b.txt"):
        check_gate(Gate(max={f"{metric}.{name}": 1.0}, confidence=0.9), spec)
    with pytest.raises(SpecRefusedError, match="no metric of this name"):
        check_gate(Gate(max={f"{metric}.wikitext2": 1.0}), spec)


def test_each_text_of_a_list_has_its_place() -> None:
    spec = make_spec(dataset="c4", text_field=None, eval_texts=["ptb", "pile"])
    assert list(named_texts(spec)) == [
        ("dataset", "c4", None),
        ("eval_texts.0", "ptb", None),
        ("eval_texts.1", "pile", None),
    ]
