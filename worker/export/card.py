"""The model card: the numbers, and how they were made."""

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

_CARD = """\
---
library_name: transformers
tags: [pruning, sparsity, z-pruner]
{base}---

# {name}, pruned to {percent:.1f} % zeros

| | dense | pruned |
|---|---:|---:|
| perplexity | {dense} | {pruned} |
| zeros in the pruned layers | | {percent:.4f} % |

Pruned without retraining by [Z-Pruner](https://arxiv.org/abs/2508.15828): score
`{method}`, scope `{scope}`, propagation `{propagation}`, forward passes in `{dtype}`.
{coverage:.1f} % of the parameters of the decoder blocks were open to pruning. Embeddings and head
are untouched, and in the blocks {untouched}.
{fallbacks} matrices were pruned in another way than was asked for, each said in `report.json`.

**Calibration**: {calibration}.

**Perplexity**: {evaluation}.

`report.json` holds the specification, both protocols and one report per block;
`SHA256SUMS` holds the checksums.

```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("path/to/this/folder")
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
```
"""


def model_card(report: dict[str, Any]) -> str:
    """Return the card of one pruned model, made of its report."""
    metrics, computed, spec = report["metrics"], report["computed"], report["spec"]
    model = report["model"]
    return _CARD.format(
        base=f"base_model: {model['name']}\n" if model["revision"] else "",
        name=PurePath(model["name"]).name if model["revision"] is None else model["name"],
        percent=100 * metrics["sparsity"],
        dense=_number(metrics["dense_perplexity"]),
        pruned=_number(metrics["pruned_perplexity"]),
        method=spec["method"],
        scope=spec["scope"],
        propagation=computed["propagation"],
        dtype=computed["dtype"],
        coverage=100 * metrics["coverage"],
        fallbacks=metrics["fallbacks"] or "No",
        untouched=_listed(dict.fromkeys(n for b in report["blocks"] for n in b["untouched"])),
        calibration=_protocol(report["calibration"]),
        evaluation=_protocol(report["evaluation"]),
    )


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def _protocol(card: dict[str, Any]) -> str:
    """Say in one sentence what text was used, and how."""
    if not card.get("tokens"):
        return "no text"
    return (
        f"{card['tokens']:,} tokens of `{card['dataset']}` ({card['split']}) "
        f"in windows of {card['window']}, token ids sha256 `{card['token_ids_sha256'][:16]}…`"
    )
