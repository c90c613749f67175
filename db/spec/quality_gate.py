"""Gates: bounds for a job's metrics, and the verdict on them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

MetricName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_:/-]+)*$", max_length=160),
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

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if not self.max and not self.min:
            raise PydanticCustomError("empty_gate", "Input should name at least one metric")
        return self


@dataclass(frozen=True)
class GateFailure:
    """A bound that a metric violates.

    Attributes:
        metric: the metric's name.
        bound: the kind of bound, ``max`` (upper) or ``min`` (lower).
        wanted: the value of the bound.
        got: the measured value; None if it was not measured.
    """

    metric: str
    bound: Literal["max", "min"]
    wanted: float
    got: float | None

    def __str__(self) -> str:
        limit = {"max": "at most", "min": "at least"}[self.bound]
        got = "was not measured" if self.got is None else f"is {self.got:g}"
        return f"{self.metric} {got}, wanted {limit} {self.wanted:g}"


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
        got = metric_value(metrics, name)
        if got is None or not got <= wanted:  # so that NaN fails as well
            yield GateFailure(name, "max", wanted, got)
    for name, wanted in gate.min.items():
        got = metric_value(metrics, name)
        if got is None or not got >= wanted:
            yield GateFailure(name, "min", wanted, got)
