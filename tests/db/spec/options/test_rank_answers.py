from typing import Any

import pytest
from pydantic import ValidationError

from db.core.errors import SpecRefusedError
from db.spec.metrics import check_gate
from db.spec.options.rank_answers import RANKING_METRICS, RankAnswersSpec
from db.spec.quality_gate import Gate, Verdict, gate_failures, judge
from tests.factories import make_spec

METRICS = {"ranking": {"pruned_ranker": 0.5}, "ranking_stderr": {"pruned_ranker": 0.05}}


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, None),
        (False, None),
        (True, RankAnswersSpec()),
        ({}, RankAnswersSpec()),
        ({"questions": 20, "drawn": 2}, RankAnswersSpec(questions=20, drawn=2)),
        ({"dataset": "local:own.jsonl"}, RankAnswersSpec(dataset="local:own.jsonl")),
    ],
)
def test_it_is_a_flag_or_an_object(given: Any, read: RankAnswersSpec | None) -> None:
    assert make_spec(rank_answers=given).rank_answers == read


@pytest.mark.parametrize(
    "given",
    [
        "yes",
        1,
        {"questions": 19},
        {"questions": 2001},
        {"drawn": 1},
        {"drawn": 33},
        {"dataset": "wikitext2"},
        {"temperature": 1},
    ],
)
def test_other_values_are_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        make_spec(rank_answers=given)


def test_a_gate_may_bound_the_accuracies_of_a_job_that_ranks_answers_alone() -> None:
    for name in RANKING_METRICS:
        check_gate(Gate(min={name: 0.1}), make_spec(rank_answers=True))
    with pytest.raises(SpecRefusedError, match=r"Set rank_answers\.") as refused:
        check_gate(Gate(min={"ranking.pruned_ranker": 0.1}), make_spec())
    assert (refused.value.field, refused.value.code) == ("gate.min", "unknown_figure")


def test_a_gate_with_a_confidence_judges_the_interval_of_the_ranker() -> None:
    for bound, verdict in ((0.55, Verdict.passed), (0.65, Verdict.failed)):
        gate = Gate(min={"ranking.pruned_ranker": bound}, confidence=0.95)
        check_gate(gate, make_spec(rank_answers=True))
        assert judge(gate, METRICS) is verdict
    [failure] = gate_failures(gate, METRICS)
    assert failure.interval is not None
    assert failure.interval.high == pytest.approx(0.598, abs=1e-3)
