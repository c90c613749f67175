import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from db.core.session import Sessions
from db.core.states import JobState
from db.events.job_events import EventRepository
from db.jobs.repository import JobRepository, NewJob
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from db.spec.quality_gate import Gate, Interval, Verdict, gate_failures, judge, metric_value
from tests.factories import make_job, make_spec

METRICS: dict[str, Any] = {
    "sparsity": 0.5,
    "perplexity_ratio": 1.2,
    "dense_perplexity": None,
    "is_known": True,
    "acc": {"arc_easy": 0.6, "mmlu": {"law": 0.3}},
    "acc.flat": 0.7,
}
NAMES = some.from_regex(r"[a-z]{1,3}(\.[a-z]{1,3}){0,2}", fullmatch=True)
NUMBERS = some.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sparsity", 0.5),
        ("acc.arc_easy", 0.6),
        ("acc.mmlu.law", 0.3),
        ("acc.flat", 0.7),
        ("dense_perplexity", None),
        ("is_known", None),
        ("acc", None),
        ("acc.other", None),
        ("sparsity.deeper", None),
        ("unknown", None),
    ],
)
def test_a_metric_is_found_by_its_name_or_its_path(name: str, value: float | None) -> None:
    assert metric_value(METRICS, name) == value


def test_a_metric_may_equal_its_bound() -> None:
    gate = Gate(max={"perplexity_ratio": 1.2}, min={"sparsity": 0.5, "acc.arc_easy": 0.6})
    assert gate_failures(gate, METRICS) == []
    assert judge(gate, METRICS) is Verdict.passed


def test_each_violated_bound_is_reported_with_the_measured_value() -> None:
    gate = Gate(max={"perplexity_ratio": 1.1}, min={"sparsity": 0.5, "acc.mmlu.art": 0.1})
    too_high, missing = gate_failures(gate, METRICS)
    assert (too_high.metric, too_high.bound, too_high.wanted, too_high.got) == (
        *("perplexity_ratio", "max", 1.1, 1.2),
    )
    assert str(too_high) == "perplexity_ratio is 1.2, wanted at most 1.1"
    assert (missing.metric, missing.bound, missing.got) == ("acc.mmlu.art", "min", None)
    assert str(missing) == "acc.mmlu.art was not measured, wanted at least 0.1"
    assert judge(gate, METRICS) is Verdict.failed
    assert judge(None, METRICS) is Verdict.none


ESTIMATED: dict[str, Any] = {
    "acc": {"boolq": 0.6, "rte": 0.6},
    "acc_stderr": {"boolq": 0.02},
    "acc_drop": {"boolq": 0.03},
    "acc_drop_stderr": {"boolq": 0.01},
    "perplexity_ratio": 1.2,
    "intervals": {"perplexity_ratio": [1.0, 1.44]},
}


@pytest.mark.parametrize(
    ("bound", "limits", "confidence", "is_met"),
    [
        ("max", {"acc_drop.boolq": 0.02}, None, False),
        ("max", {"acc_drop.boolq": 0.02}, 0.95, True),
        ("max", {"acc_drop.boolq": 0.02}, 0.6, False),
        ("max", {"acc_drop.boolq": 0.01}, 0.95, False),
        ("min", {"acc.boolq": 0.62}, None, False),
        ("min", {"acc.boolq": 0.62}, 0.95, True),
        ("min", {"acc.boolq": 0.65}, 0.95, False),
        ("max", {"perplexity_ratio": 1.1}, None, False),
        ("max", {"perplexity_ratio": 1.1}, 0.95, True),
        ("max", {"perplexity_ratio": 1.1}, 0.6, False),
        ("min", {"perplexity_ratio": 1.4}, 0.95, True),
        ("min", {"acc.rte": 0.62}, 0.95, False),  # without a standard error its value decides
    ],
)
def test_with_a_confidence_a_bound_is_violated_if_the_interval_excludes_it(
    bound: str, limits: dict[str, float], confidence: float | None, is_met: bool
) -> None:
    gate = Gate.model_validate({bound: limits, "confidence": confidence})
    failures = gate_failures(gate, ESTIMATED)
    assert (failures == []) == is_met
    for one in failures:
        has_interval = confidence is not None and one.metric != "acc.rte"
        assert (one.interval is not None) == has_interval
        if one.interval is not None:
            assert not one.interval.low <= one.wanted <= one.interval.high


def test_an_interval_is_that_of_the_normal_distribution() -> None:
    interval = Interval.of(0.5, 0.1, 0.95)
    assert (interval.low, interval.high) == pytest.approx((0.304, 0.696), abs=1e-3)
    assert str(interval) == "95 % interval 0.304 to 0.696"


def test_the_interval_of_a_perplexity_is_that_of_its_logarithm() -> None:
    same = Interval.of_perplexity(1.2, [1.0, 1.44], 0.95)
    assert (same.low, same.high) == pytest.approx((1.0, 1.44))
    narrower = Interval.of_perplexity(1.2, [1.0, 1.44], 0.6)
    assert narrower.low * narrower.high == pytest.approx(1.2**2)
    assert narrower.low == pytest.approx(1.2 ** (1 - 0.8416 / 1.96), rel=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"max": {}},
        {"max": {"": 1}},
        {"max": {".a": 1}},
        {"max": {"a b": 1}},
        {"max": {"a": "high"}},
        {"max": {"a": float("nan")}},
        {"min": {"a": float("inf")}},
        {"min": {"a": 1}, "confidence": 0.4},
        {"confidence": 0.95},
        {"most": {"a": 1}},
        {"min": {f"a{n}": 1 for n in range(33)}},
    ],
)
def test_an_invalid_gate_is_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Gate.model_validate(wrong)


@given(some.dictionaries(NAMES, NUMBERS, min_size=1, max_size=5), NUMBERS)
def test_a_gate_passes_exactly_if_all_bounds_are_met(
    metrics: dict[str, float], bound: float
) -> None:
    gate = Gate(max=dict.fromkeys(metrics, bound))
    failed = {one.metric for one in gate_failures(gate, metrics)}
    assert failed == {name for name, value in metrics.items() if value > bound}
    assert (judge(gate, metrics) is Verdict.passed) == (not failed)


@given(some.dictionaries(NAMES, NUMBERS, max_size=5), NAMES, NUMBERS)
def test_a_metric_that_was_not_measured_never_passes(
    metrics: dict[str, float], name: str, bound: float
) -> None:
    metrics.pop(name, None)
    for gate in (Gate(max={name: bound}), Gate(min={name: bound})):
        assert judge(gate, metrics) is Verdict.failed
    assert judge(Gate(min={name: bound}), {name: float("nan")}) is Verdict.failed


@given(some.dictionaries(NAMES, NUMBERS, min_size=1, max_size=5))
def test_a_gate_can_be_serialised_and_parsed(limits: dict[str, float]) -> None:
    gate = Gate(max=limits, min=limits)
    assert Gate.model_validate(json.loads(gate.model_dump_json())) == gate


@pytest.mark.parametrize(("ratio", "verdict"), [(1.05, Verdict.passed), (1.15, Verdict.failed)])
def test_the_verdict_is_stored_when_the_job_succeeds(
    ratio: float, verdict: Verdict, sessions: Sessions
) -> None:
    gate = Gate(max={"perplexity_ratio": 1.1})
    with sessions.begin() as session:
        job = JobRepository(session).add(NewJob(make_spec(), gate=gate))
        assert job.verdict is Verdict.none
        ClaimRepository(session).claim(job.id, "worker-1")
    with sessions.begin() as session:
        LeaseRepository(session).succeed(job.id, 1, {"perplexity_ratio": ratio}, [])
    with sessions() as session:
        read = JobRepository(session).get(job.id)
        assert (read.status, read.verdict) == (JobState.succeeded, verdict)
        assert EventRepository(session).events(job.id)[-1].data == {"verdict": verdict.value}


def test_a_job_without_a_gate_gets_no_verdict(sessions: Sessions) -> None:
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "worker-1")
        assert (
            LeaseRepository(session).succeed(job.id, 1, {"sparsity": 0.5}, []).verdict
            is Verdict.none
        )
        assert EventRepository(session).events(job.id)[-1].data == {}


def test_only_a_job_with_the_same_gate_is_identical(sessions: Sessions) -> None:
    gate, other = Gate(max={"perplexity_ratio": 1.1}), Gate(max={"perplexity_ratio": 1.2})
    plain = make_job(sessions, status=JobState.succeeded)
    stored = gate.model_dump(mode="json", exclude={"confidence"})  # as an older job has it
    gated = make_job(sessions, status=JobState.succeeded, gate=stored)
    with sessions() as session:
        jobs = JobRepository(session)
        found = [jobs.identical(make_spec(), one) for one in (None, gate, other)]
    assert [[job.id for job in one] for one in found] == [[plain.id], [gated.id], []]
