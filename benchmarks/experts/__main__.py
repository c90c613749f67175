"""Measure a mixture that loses experts: `python -m benchmarks.experts --text FILE --other FILE`.

No mixture is small enough for a processor and trained well enough to be worth pruning, so one is
trained here, on the first nine tenths of two texts. Experts are chosen, and routers trained, on the
first text alone. What is measured is the last tenth of both.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import product
from math import exp, log
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from transformers.utils import logging

from benchmarks.experts.distance import distances
from benchmarks.experts.mixture import SEQ_LEN, TEXTS, train, write_texts
from benchmarks.machine import machine
from benchmarks.quality.measured_job import job_fields, measure
from benchmarks.quality.table_file import opened
from db.spec.prune_spec import PruneSpec
from worker.pruning.experts.routed_tokens import RoutedTokens

PATH = Path(__file__).parents[1] / "results" / "experts.json"
RANDOM = ("random 0", "random 1", "random 2")
BOTH = "reap, sparing the other text"
AFTER_CUTS = "reap, each block after those before it were cut"
NAMED = ("reap", AFTER_CUTS, "frequency", BOTH)
CHOICES = (*NAMED, *RANDOM)
TRAINED = ("reap", "frequency", RANDOM[0])
"""The choices after which routers are trained."""
RATIOS = (0.25, 0.5)
RATES = (None, 5e-5, 1e-3, 5e-3)
"""The learning rates of the routers; None trains none."""
TITLES = {"own": "Text of the calibration's kind", "other": "The other kind of text"}
Figures = dict[str, Any]


def main() -> None:
    """Train the mixture, run a job for each cell of the table, and write JSON and Markdown."""
    given = _arguments()
    logging.disable_progress_bar()
    with TemporaryDirectory() as scratch:
        folder, model = Path(scratch), given.model or Path(scratch) / "model"
        write_texts(given.text, given.other, folder)
        if not (model / "config.json").exists():
            train(folder, model, given.steps)
        table = opened(PATH, _protocol(given), given.resume)
        table |= {"machine": machine(), "dense": _figures(model, model, folder)}
        cells = table.setdefault("cells", {})
        for rate, choice, ratio in product(RATES, CHOICES, RATIOS):
            name = _name(choice, ratio, rate)
            if name not in cells and (rate is None or choice in TRAINED):
                cells[name] = _measured(folder, model, given.tokens, choice, ratio, rate)
                print(f"{name}: {_line(cells[name])}", file=sys.stderr, flush=True)
                PATH.write_text(json.dumps(table, indent=1) + "\n")
                PATH.with_suffix(".md").write_text(markdown(table))
    print(json.dumps(table))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experts", description=__doc__)
    parser.add_argument("--text", type=Path, required=True, help="a text file, at least 500 kB")
    parser.add_argument("--other", type=Path, required=True, help="a text of another kind")
    parser.add_argument("--model", type=Path, help="where it is kept; it is trained once")
    parser.add_argument("--steps", type=int, default=1104, help="steps in which it is trained")
    parser.add_argument("--tokens", type=int, default=65_536, help="on which routers are trained")
    parser.add_argument("--resume", action="store_true", help="keep cells measured before")
    return parser.parse_args()


def _protocol(given: argparse.Namespace) -> Figures:
    texts = {"text": given.text.name, "other": given.other.name}
    return texts | {"steps": given.steps, "tokens": given.tokens}


def _name(choice: str, ratio: float, rate: float | None) -> str:
    return f"{choice} {ratio} {rate}"


def _line(cell: Figures) -> str:
    return ", ".join(f"{text} {figures['ratio']:.3f}" for text, figures in cell.items())


def _measured(
    folder: Path, model: Path, tokens: int, choice: str, ratio: float, rate: float | None
) -> Figures:
    """Return a cell: the distance from the dense model, on each text, after a job."""
    recover = {"kind": "router", "tokens": tokens, "lr": rate}
    known, spared = (folder / f"{text}-known.txt" for text in TEXTS)
    asked = job_fields(
        model,
        known,
        folder / "own-unknown.txt",
        seq_len=SEQ_LEN,
        samples=128,
        eval_samples=1,  # what the cell tells is measured below
        dtype="float32",
        method="experts",
        ratio=ratio,
        selection="frequency" if choice == "frequency" else "reap",
        recover=recover if rate else None,
        keep_dataset=f"local:{spared.resolve()}" if choice == BOTH else None,
        propagation="fused" if choice == AFTER_CUTS else "reference",
    )
    with TemporaryDirectory() as out, _scores(choice):
        # Random scores are stored as others are.
        measure(PruneSpec.model_validate(asked), folder / "baselines" / choice, Path(out))
        return _figures(model, Path(out), folder)


def _figures(dense: Path, smaller: Path, texts: Path) -> Figures:
    return {text: asdict(found) for text, found in distances(dense, smaller, texts).items()}


@contextmanager
def _scores(choice: str) -> Iterator[None]:
    """During the ``with`` body, experts have random scores if these are asked for."""
    if choice not in RANDOM:
        yield
        return
    torch.manual_seed(RANDOM.index(choice))
    with patch.object(RoutedTokens, "means", lambda text: torch.rand(text.count).double()):
        yield


def markdown(table: Figures) -> str:
    """Return the table as Markdown, one for each text."""
    parts = [_table(table, text) for text in TEXTS]
    intervals = (
        "A cell is the perplexity over the dense model's, with the 95 % interval of the windows; "
        f"of random choices it is the geometric mean of {len(RANDOM)}, with the lowest and the "
        "highest, and of the first one where routers are trained. In brackets the mean divergence "
        "from the dense model, in nats."
    )
    return "\n\n".join(["# Mixtures that lose experts", intervals, *parts]) + "\n"


def _table(table: Figures, text: str) -> str:
    titles = ("as they are", *(f"routers trained at {rate:g}" for rate in RATES if rate))
    dense = table["dense"][text]["perplexity"]
    lines = [
        f"## {TITLES[text]}",
        "",
        f"The dense model's perplexity is {dense:.2f}.",
        "",
        f"| experts that go | {' | '.join(titles)} |",
        f"|---|{'---:|' * len(titles)}",
    ]
    for ratio, choices in product(RATIOS, (*((name,) for name in NAMED), RANDOM)):
        cells = [_cell(table["cells"], text, choices, ratio, rate) for rate in RATES]
        name = choices[0] if len(choices) == 1 else "random"
        lines.append(f"| {ratio:.0%} by {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(
    cells: Figures, text: str, choices: tuple[str, ...], ratio: float, rate: float | None
) -> str:
    names = (_name(choice, ratio, rate) for choice in choices)
    found = [cells[name][text] for name in names if name in cells]
    if not found:
        return ""
    ratios = [one["ratio"] for one in found]
    mean = exp(sum(map(log, ratios)) / len(ratios))
    kl = sum(one["kl"] for one in found) / len(found)
    low, high = (found[0]["low"], found[0]["high"]) if len(choices) == 1 else _ends(ratios)
    return f"{mean:.3f}, {low:.3f} to {high:.3f} ({kl:.3f})"


def _ends(ratios: list[float]) -> tuple[float, float]:
    return min(ratios), max(ratios)


if __name__ == "__main__":
    main()
