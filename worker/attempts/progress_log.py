"""What an attempt says of itself while it works, in its log and in its trace."""

import logging
from typing import Any

from opentelemetry.trace import get_current_span

from db.core.states import Phase
from db.scheduling.leases import Block

log = logging.getLogger("worker.attempts.run")
FIGURES = (
    ("sparsity", "sparsity", ".4f"),
    ("output_error", "output error", ".3g"),
    ("prune_seconds", "seconds", ".3g"),
)


def tell(
    phase: Phase, block: Block | None, report: dict[str, Any] | None, previous: Phase | None
) -> None:
    """Say what the work is at: a phase when it begins, a block when it is done."""
    if phase is not previous:
        log.info("%s", phase)
        get_current_span().add_event(phase)
    if block is not None:
        index, total, name = block
        log.info("block %d of %d (%s)%s", index + 1, total, name, _figures(report or {}))


def _figures(report: dict[str, Any]) -> str:
    said = [f"{word} {report[name]:{form}}" for name, word, form in FIGURES if report.get(name)]
    return ": " + ", ".join(said) if said else ""
