"""Converts the options of a command into the fields of a request."""

from collections.abc import Sequence
from typing import Any

import typer

from zpruner.cli.field_options import FieldOption
from zpruner.cli.values import check_finite

SUBMISSION = (
    FieldOption("name", "What to call the job."),
    FieldOption("label", "name=value; may be repeated.", is_repeated=True),
    FieldOption("queue", "The queue of the workers that may take the job."),
    FieldOption("priority", "-10 to 10; jobs of a higher priority run first.", type=int),
    FieldOption("gate_max", "Upper bound of a figure: perplexity_ratio=1.1.", is_repeated=True),
    FieldOption("gate_min", "Lower bound of a figure: sparsity=0.5.", is_repeated=True),
    FieldOption(
        "gate_confidence",
        "An accuracy or perplexity fails its bound only if its interval of this confidence does.",
        type=float,
    ),
    FieldOption("not_before", "The job waits until then: 2027-01-05T18:00:00Z, or 2h from now."),
    FieldOption("deadline", "The job expires if it has not ended: 2027-01-05T18:00:00Z, or 2h."),
    FieldOption(
        "max_cost",
        "Refused if it will likely cost more, and stopped after the block with which it has.",
        type=float,
    ),
    FieldOption(
        "min_memory_gb",
        "The memory that the worker's device must have; the job waits for one that has it.",
        type=float,
    ),
    FieldOption("idempotency_key", "Submitting again with the same key makes no second job."),
)
"""Options of commands that submit jobs, in addition to the fields of ``PruneSpec``."""

REUSE = FieldOption("reuse", "Return an identical job that has succeeded, if any.", type=bool)


def request_of(given: dict[str, Any]) -> dict[str, Any]:
    """Return a request's fields: labels, gate bounds and ``reuse`` are converted, others copied."""
    fields = dict(given)
    if labels := fields.pop("label", ()):
        fields["labels"] = dict(pair_of(label, "--label") for label in labels)
    if fields.pop("reuse", False):
        fields["reuse"] = "if_succeeded"
    gate: dict[str, Any] = {}
    for name in ("max", "min"):
        if bounds := _bounds(name, fields.pop(f"gate_{name}", ())):
            gate[name] = bounds
    if "gate_confidence" in fields:
        gate["confidence"] = fields.pop("gate_confidence")
    if gate:
        fields["gate"] = gate
    return fields


def pair_of(text: str, option: str) -> tuple[str, str]:
    """Read ``name=value``."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise typer.BadParameter(
            f"{text} is not name=value: write one such as team=nlp", param_hint=option
        )
    return name, value


def _bounds(name: str, bounds: Sequence[str]) -> dict[str, float]:
    """Read bounds, each written as ``figure=number``."""
    limits = {}
    for bound in bounds:
        figure, _, number = bound.partition("=")
        try:
            limits[figure] = float(number)
        except ValueError:
            hint = f"--gate-{name}"
            raise typer.BadParameter(
                f"{bound} is not figure=number: write one such as acc=0.5", param_hint=hint
            ) from None
        check_finite(limits[figure], f"--gate-{name} {figure}")
    return limits
