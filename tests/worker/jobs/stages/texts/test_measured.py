"""The figures of a text are means over its windows, with errors from how the windows differ."""

import math
from statistics import stdev

import pytest

from db.spec.options.texts.evaluation import TEXT_METRICS
from worker.evaluation.distance import WindowDistance
from worker.jobs.stages.texts.measured import ComparedText, text_metrics

WINDOWS = [
    WindowDistance(dense_loss=1.0, loss=1.2, kl=0.3, agreement=0.5),
    WindowDistance(dense_loss=2.0, loss=2.4, kl=0.1, agreement=0.7),
    WindowDistance(dense_loss=3.0, loss=3.3, kl=0.2, agreement=0.9),
]
NEAR = [WindowDistance(2.0, 2.0, 0.0, 1.0)]


def test_a_ratio_is_that_of_the_perplexities() -> None:
    report = ComparedText(WINDOWS).report()
    assert report["dense_perplexity"] == pytest.approx(math.exp(2.0))
    assert report["perplexity"] == pytest.approx(math.exp(2.3))
    assert report["ratio"] == pytest.approx(math.exp(0.3))
    half = 1.96 * stdev([0.2, 0.4, 0.3]) / math.sqrt(3)
    ends = report["ratio_interval"]["low"], report["ratio_interval"]["high"]
    assert ends == pytest.approx((math.exp(0.3 - half), math.exp(0.3 + half)), rel=1e-4)


def test_divergence_and_agreement_have_the_error_of_a_mean() -> None:
    metrics, report = ComparedText(WINDOWS).metrics(), ComparedText(WINDOWS).report()
    stderr = stdev([0.1, 0.2, 0.3]) / math.sqrt(3)
    assert (metrics["kl"], metrics["kl_stderr"]) == pytest.approx((0.2, stderr))
    assert (metrics["agreement"], metrics["agreement_stderr"]) == pytest.approx((0.7, 2 * stderr))
    assert report["kl_interval"]["high"] == pytest.approx(0.2 + 1.96 * stderr, rel=1e-4)
    assert metrics["text_ratio_stderr"] == pytest.approx(math.exp(0.3) * stderr)


def test_a_single_window_has_no_error() -> None:
    metrics, report = ComparedText(NEAR).metrics(), ComparedText(NEAR).report()
    assert {name for name, value in metrics.items() if value is None} == {
        name for name in TEXT_METRICS if name.endswith("_stderr")
    }
    assert report["kl_interval"] is report["ratio_interval"] is None


def test_the_worst_text_is_the_one_that_is_furthest_from_the_dense_model() -> None:
    metrics = text_metrics({"near": ComparedText(NEAR), "far": ComparedText(WINDOWS)})
    assert metrics["worst_ratio"] == metrics["text_ratio"]["far"]
    assert metrics["worst_kl"] == metrics["kl"]["far"]
    assert metrics["worst_agreement"] == metrics["agreement"]["far"]
    assert set(metrics) == {*TEXT_METRICS, "worst_ratio", "worst_kl", "worst_agreement"}
