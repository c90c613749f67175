"""Gates: bounds for a job's metrics, and the verdict on them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Annotated, Any, Literal, Self, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

MetricName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_:/@-]+)*$", max_length=160
    ),
]
Limit = Annotated[StrictFloat, Field(allow_inf_nan=False)]
Limits = Annotated[dict[MetricName, Limit], Field(max_length=32)]


class Verdict(StrEnum):
    """Whether a job passed its gate; ``none`` without a gate, or before the job succeeds."""

    passed = "pass"
    failed = "fail"
    none = "none"


class Gate(BaseModel):
    """Bounds for metrics, named as in a job's ``result``, with dots between nested names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max: Limits = Field(default={}, description="Upper bounds, by metric.")
    min: Limits = Field(default={}, description="Lower bounds, by metric.")
    confidence: StrictFloat | None = Field(
        default=None,
        ge=0.5,
        lt=1,
        description="For accuracies of tasks, perplexities and distances on texts: a bound is "
        "violated only if the interval of this confidence lies beyond it, such as 0.95. By default "
        "the measured value decides.",
        examples=[0.95],
    )

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if not self.max and not self.min:
            raise PydanticCustomError("empty_gate", "is empty")
        return self


@dataclass(frozen=True)
class Interval:
    """A confidence interval of a metric, by the normal approximation.

    Attributes:
        low: its lower end.
        high: its upper end.
        confidence: the share of such intervals that contain the true value.
    """

    low: float
    high: float
    confidence: float

    @classmethod
    def of(cls, value: float, stderr: float, confidence: float) -> Self:
        half = _half_width(confidence) * stderr
        return cls(value - half, value + half, confidence)

    @classmethod
    def of_perplexity(cls, value: float, ends_95: Sequence[float], confidence: float) -> Self:
        """Return the interval of a perplexity or a ratio whose interval of 95 % is known.

        The logarithm has the normal distribution: it is a mean of losses.
        """
        low, high = (math.log(end / value) for end in ends_95)
        scale = _half_width(confidence) / _half_width(0.95)
        return cls(value * math.exp(low * scale), value * math.exp(high * scale), confidence)

    def __str__(self) -> str:
        return f"{100 * self.confidence:g} % interval {self.low:.4g} to {self.high:.4g}"


@dataclass(frozen=True)
class GateFailure:
    """A bound that a metric violates.

    Attributes:
        metric: the metric's name.
        bound: the kind of bound, ``max`` (upper) or ``min`` (lower).
        wanted: the value of the bound.
        got: the measured value; None if it was not measured.
        interval: the interval that lies beyond the bound; None if the value decided.
    """

    metric: str
    bound: Literal["max", "min"]
    wanted: float
    got: float | None
    interval: Interval | None = None

    def __str__(self) -> str:
        limit = {"max": "at most", "min": "at least"}[self.bound]
        got = "was not measured" if self.got is None else f"is {self.got:g}"
        interval = "" if self.interval is None else f" ({self.interval})"
        return f"{self.metric} {got}{interval}, wanted {limit} {self.wanted:g}"


def _half_width(confidence: float) -> float:
    """Return half the width of an interval, in standard errors."""
    return NormalDist().inv_cdf((1 + confidence) / 2)


def judge(gate: Gate | None, metrics: Mapping[str, Any]) -> Verdict:
    """Return the verdict on the metrics; a missing metric fails its bound."""
    if gate is None:
        return Verdict.none
    return Verdict.failed if gate_failures(gate, metrics) else Verdict.passed


def gate_failures(gate: Gate, metrics: Mapping[str, Any]) -> list[GateFailure]:
    """Return the bounds that the metrics violate."""
    return list(_failures(gate, metrics))


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number; a bool, which is an int in Python, is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def metric_value(metrics: Mapping[str, Any], name: str) -> float | None:
    """Return the value of a metric; dots in ``name`` may separate nested names.

    Return None if the metric is missing or is not a number.
    """
    if name in metrics:
        value = metrics[name]
        return float(value) if is_number(value) else None
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        inner = metrics.get(".".join(parts[:end]))
        if isinstance(inner, Mapping):
            return metric_value(inner, ".".join(parts[end:]))
    return None


def _failures(gate: Gate, metrics: Mapping[str, Any]) -> Iterator[GateFailure]:
    for name, wanted in gate.max.items():
        got, interval = metric_value(metrics, name), _interval(gate, metrics, name)
        lowest = got if interval is None else interval.low
        if lowest is None or not lowest <= wanted:  # so that NaN fails as well
            yield GateFailure(name, "max", wanted, got, interval)
    for name, wanted in gate.min.items():
        got, interval = metric_value(metrics, name), _interval(gate, metrics, name)
        highest = got if interval is None else interval.high
        if highest is None or not highest >= wanted:
            yield GateFailure(name, "min", wanted, got, interval)


def _interval(gate: Gate, metrics: Mapping[str, Any], name: str) -> Interval | None:
    """Return the interval that decides on a metric; None if its value does."""
    if gate.confidence is None or (value := metric_value(metrics, name)) is None:
        return None
    if name in (measured := metrics.get("intervals") or {}):
        return Interval.of_perplexity(value, measured[name], gate.confidence)
    metric, _, task = name.partition(".")
    stderr = metric_value(metrics, f"{metric}_stderr.{task}")
    return None if stderr is None else Interval.of(value, stderr, gate.confidence)
