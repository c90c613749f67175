"""Compare the time of pruning with that of a forward pass: `python -m benchmarks.speed`.

All figures come from one process. The input is random token ids; real text would take equally long.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.yardstick import prune_whole_model
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model
from worker.evaluation.perplexity import token_loss
from worker.jobs.recipes import recipe_of
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.pipeline import ModelPruner

RESULTS = Path(__file__).parent / "results"
SAMPLES, SEQ_LEN, SPARSITY, THREADS, TIMES = 16, 512, 0.5, 2, 3


@dataclass(frozen=True)
class Ratio:
    """The ratio of two measurements, and a bound for the ratio.

    Attributes:
        over, under: the names of the dividend and of the divisor in `_measurements`.
        must_be: the bound as a text; ``as it is`` if there is none.
    """

    over: str
    under: str
    must_be: str

    def of(self, seconds: dict[str, float]) -> float:
        return seconds[self.over] / seconds[self.under]


_SINGLE = "zpruner, float32"
RATIOS = (
    Ratio("zpruner, bfloat16", "forward, bfloat16", "at most 1.25"),
    Ratio(_SINGLE, "forward, float32", "at most 1.25"),
    Ratio("yardstick, float32", "zpruner, bfloat16", "at least 4.5"),
    Ratio("yardstick, float32", _SINGLE, "at least 2.2"),
    Ratio("zpruner + sparsegpt, float32", _SINGLE, "at most 3"),
    Ratio("zpruner + alps, float32", _SINGLE, "at most 6"),
    Ratio("alps, float32", _SINGLE, "at most 6"),
    Ratio("zpruner + sparsegpt, corrected, float32", _SINGLE, "as it is"),
    Ratio("admm, corrected, float32", _SINGLE, "as it is"),
)


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--model", type=Path, help="a Llama-like folder, instead of the demo's")
    arguments = parser.parse_args()
    model = arguments.model or fetch_model(Path(".demo/models"))
    logging.disable_progress_bar()
    torch.set_num_threads(THREADS)
    seconds: dict[str, float] = {}
    with torch.no_grad():
        for name, measure in _measurements(model).items():
            seconds[name] = measure()
            print(f"{name}: {seconds[name]:.2f} s", file=sys.stderr, flush=True)
    _write(model, seconds)


def _measurements(model: Path) -> dict[str, Callable[[], float]]:
    """Return a function for each measurement, keyed by its name; each returns seconds."""
    vocabulary = json.loads((model / "config.json").read_text())["vocab_size"]
    generator = torch.Generator().manual_seed(0)
    windows = torch.randint(vocabulary, (SAMPLES, SEQ_LEN), generator=generator)
    half, single = torch.bfloat16, torch.float32
    forward, prune = partial(forward_seconds, model, windows), partial(_prune, model, windows)
    solve = partial(prune, single, correction=0.0)
    return {
        "forward, bfloat16": _best(partial(forward, half)),
        "zpruner, bfloat16": _best(partial(prune, half)),
        "forward, float32": _best(partial(forward, single)),
        _SINGLE: _best(partial(prune, single)),
        "yardstick, float32": partial(_yardstick, model, windows),
        "zpruner + sparsegpt, float32": partial(solve, solver="sparsegpt"),
        "zpruner + alps, float32": partial(solve, solver="alps"),
        "alps, float32": partial(solve, method="alps"),
        "zpruner + sparsegpt, corrected, float32": partial(prune, single, solver="sparsegpt"),
        "admm, corrected, float32": partial(prune, single, method="admm"),
    }


def _best(measure: Callable[[], float]) -> Callable[[], float]:
    return lambda: min(measure() for _ in range(TIMES))


def forward_seconds(folder: Path, windows: Tensor, dtype: torch.dtype) -> float:
    """Return the seconds of running the whole model, logits included, on one window at a time."""
    model = _load_model(folder, dtype)

    def run() -> None:
        for window in windows:
            model(window[None], use_cache=False)

    return _seconds(run)


def _prune(folder: Path, windows: Tensor, dtype: torch.dtype, **fields: object) -> float:
    """Return `prune_seconds`: the sweep's time to read, calibrate, prune and write."""
    named = {"model": f"local:{folder.resolve()}", "dataset": "none", "sparsity": SPARSITY}
    recipe = recipe_of(PruneSpec.model_validate(named | fields))
    meta_model = MetaModel.open(folder, dtype, torch.device("cpu"))
    with TemporaryDirectory() as out:
        blocks = ModelPruner(meta_model, recipe, windows, windows[:0], Path(out), token_loss).run()
        return run_to_end(blocks).prune_seconds


def _yardstick(folder: Path, windows: Tensor) -> float:
    """Return the seconds that `benchmarks.yardstick` takes to read, calibrate, prune and write."""

    def run() -> None:
        model = _load_model(folder, torch.float32)
        prune_whole_model(model, windows, SPARSITY)
        model.save_pretrained(out)

    with TemporaryDirectory() as out:
        return _seconds(run)


def _load_model(folder: Path, dtype: torch.dtype) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def _seconds(run: Callable[[], None]) -> float:
    started = perf_counter()
    run()
    return perf_counter() - started


def _write(model: Path, seconds: dict[str, float]) -> None:
    protocol = {"model": model.name, "samples": SAMPLES, "seq_len": SEQ_LEN, "sparsity": SPARSITY}
    report = {
        "machine": machine() | {"threads": THREADS},
        "protocol": protocol,
        "seconds": seconds,
        "ratios": {f"{it.over} / {it.under}": it.of(seconds) for it in RATIOS},
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "speed.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "speed.md").write_text(_markdown(protocol, seconds))
    print((RESULTS / "speed.md").read_text(), file=sys.stderr)
    print(json.dumps(report))


def _markdown(protocol: dict[str, object], seconds: dict[str, float]) -> str:
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    how = ", ".join(f"{name} {value}" for name, value in protocol.items())
    ratios = (f"| {it.over} | {it.under} | {it.of(seconds):.2f} | {it.must_be} |" for it in RATIOS)
    lines = [
        "| seconds of | over those of | ratio | must be |",
        "|---|---|---:|---|",
        *ratios,
        "",
        "| | seconds |",
        "|---|---:|",
        *(f"| {name} | {value:.1f} |" for name, value in seconds.items()),
    ]
    return "\n".join([*lines, "", f"Measured on: {where}, {THREADS} threads. {how}.", ""])


if __name__ == "__main__":
    main()
