"""The section of a model card about the steps of a gradual job."""

from collections.abc import Iterator, Mapping
from typing import Any

_SECTION = """
## Steps

| step | zeros in the pruned layers | parameters | perplexity | |
|---:|---:|---:|---:|---|
{rows}
"""


def gradual_steps(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Describe the steps of a job in a line; nothing of a job that pruned its model at once."""
    if "steps" not in metrics:
        return
    kept, stopped = metrics["kept_step"], metrics["stopped_at_step"]
    yield f"pruned in {kept} steps, each of which continued the one before; the list is below"
    if stopped is not None:
        yield f"the gate ended the job at step {stopped}"


def steps_section(metrics: Mapping[str, Any]) -> str:
    """Return the section with a table of the steps; empty if the job pruned its model at once."""
    if "steps" not in metrics:
        return ""
    rows = "\n".join(_row(step, metrics["kept_step"]) for step in metrics["steps"])
    return _SECTION.format(rows=rows)


def _row(step: Mapping[str, Any], kept: int) -> str:
    perplexity = step["pruned_perplexity"]
    cells = (
        str(step["step"]),
        f"{100 * step['sparsity']:.2f} %",
        f"{step['parameters']:,}",
        "not measured" if perplexity is None else f"{perplexity:.4f}",
        "this model" if step["step"] == kept else "",
    )
    return f"| {' | '.join(cells)} |"
