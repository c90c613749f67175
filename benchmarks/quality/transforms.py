"""Measure free transforms before pruning: `python -m benchmarks.quality.transforms`.

A rotation of the residual stream, and permutations of channels, change no output of a model built
like Llama, but they change which weights are pruned. A few blocks are pruned as they are and
transformed; the figures are errors of outputs on windows that nothing was calibrated on.
"""

import argparse
import sys
from copy import deepcopy
from itertools import product
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.quality.changed_model import (
    CHANGES,
    NONE,
    Importance,
    first_blocks,
    layer_inputs,
)
from benchmarks.quality.combinations import PATTERNS
from benchmarks.quality.measured_job import job_fields
from benchmarks.quality.table_file import opened, save
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model
from worker.evaluation.perplexity import token_loss
from worker.jobs.opened_job import OpenedJob
from worker.jobs.recipes import recipe_of
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.pipeline import ModelPruner
from worker.sources.models import fetch_model as open_model

PATH = Path(__file__).parents[1] / "results" / "transforms.json"
METHODS = ("wanda", "zpruner", "admm")
CPU = torch.device("cpu")
ROWS = {
    f"{method}, {pattern}, {change}": (method, pattern, change)
    for method, pattern, change in product(METHODS, ("50 %", "2:4"), CHANGES)
    if pattern == "2:4" or "permuted" not in change
}
"""No permutation changes which weights of a row are the smallest."""


def main(given: list[str] | None = None) -> None:
    """Measure the rows, and write the table as JSON and Markdown after each change of the model."""
    arguments = _arguments(given)
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    names = ("blocks", "windows", "seq_len", "eval_windows")
    protocol = {name: getattr(arguments, name) for name in names}
    table = opened(arguments.out, protocol | {"model": arguments.model.name}, arguments.resume)
    rows, blocks = table.setdefault("rows", {}), range(*arguments.blocks)
    calibration, held_out = _texts(arguments)
    for change, stages in CHANGES.items():
        wanted = [name for name in arguments.only if ROWS[name][2] == change and name not in rows]
        if not wanted:
            continue
        model = first_blocks(arguments.model, blocks.stop)
        for stage in stages:
            stage(model, Importance(model, blocks, calibration))
        with TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            for name in wanted:
                spec = _spec(arguments, name)
                rows[name] = _measure(model, Path(folder), spec, blocks, (calibration, held_out))
                print(f"{name}: {rows[name]}", file=sys.stderr, flush=True)
        table["machine"] = machine()
        save(arguments.out, table, markdown(table))


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.transforms")
    parser.add_argument("--model", type=Path, help="a folder, instead of the demo's model")
    parser.add_argument("--calibration", type=Path, help="a text file, instead of docstrings")
    parser.add_argument(
        "--blocks",
        nargs=2,
        type=int,
        default=[1, 5],
        help="the first block, and that after the last",
    )
    parser.add_argument("--windows", type=int, default=16, help="calibration windows")
    parser.add_argument("--seq-len", type=int, default=512)
    parser.add_argument("--eval-windows", type=int, default=4)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--out", type=Path, default=PATH, help="the table's JSON file")
    parser.add_argument("--resume", action="store_true", help="keep rows measured before")
    arguments = parser.parse_args(given)
    arguments.model = arguments.model or fetch_model(Path(".demo/models"))
    return arguments


def _spec(arguments: argparse.Namespace, row: str) -> PruneSpec:
    """Return the job of a row, which leaves the blocks before the first one alone."""
    method, pattern, _ = ROWS[row]
    skipped = [f"model.layers.{index}.*" for index in range(arguments.blocks[0])]
    fields = {"samples": arguments.windows, "seq_len": arguments.seq_len, "dtype": "float32"}
    fields |= {"eval_samples": arguments.eval_windows, "skip": skipped, "method": method}
    own = job_fields(arguments.model, arguments.calibration, None, **fields, **PATTERNS[pattern])
    return PruneSpec.model_validate(own)


def _texts(arguments: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Return the windows that a job is calibrated on, and those that it is measured on."""
    spec, resources = _spec(arguments, arguments.only[0]), Resources(device="cpu")
    model = open_model(resources.model_reference(spec), None)
    windows = OpenedJob.open(spec, model, (CPU,), resources).windows
    return windows.calibration.ids, windows.evaluation.ids


def _measure(
    model: Any, folder: Path, spec: PruneSpec, blocks: range, texts: tuple[Tensor, Tensor]
) -> dict[str, float]:
    """Prune a model and return its errors; ``folder`` has the model, which is not modified."""
    started, (calibration, held_out) = process_time(), texts
    with TemporaryDirectory() as out:
        meta_model = MetaModel.open(folder, torch.float32, CPU)
        sweep = ModelPruner(
            meta_model, recipe_of(spec), calibration, held_out[:0], Path(out), token_loss
        )
        run_to_end(sweep.run())
        written, pruned = Checkpoint.open(Path(out)), deepcopy(model)
        pruned.load_state_dict({name: written.read(name) for name in written.tensors}, strict=False)
    seconds = process_time() - started
    return {**errors(model, pruned, blocks, held_out), "seconds": seconds}


@torch.no_grad()
def errors(dense: Any, pruned: Any, blocks: range, ids: Tensor) -> dict[str, float]:
    """Return the relative errors of a pruned model's outputs.

    Args:
        dense, pruned: both models.
        blocks: the blocks that are pruned.
        ids: ``[windows, tokens]`` token ids.

    Returns:
        ``layers``, the mean of ‖(Ŵ − W)x‖ / ‖Wx‖ over the matrices, where x are their inputs in the
        dense model; ``states``, ‖ĥ − h‖ / ‖h‖ of the hidden states h after the last block.
    """
    of_layers = []
    for name, inputs in layer_inputs(dense, blocks, ids):
        weight, other = (model.get_submodule(name).weight for model in (dense, pruned))
        of_layers.append(float((inputs @ (other - weight).T).norm() / (inputs @ weight.T).norm()))
    states, others = (model.model(ids, use_cache=False)[0] for model in (dense, pruned))
    return {"layers": fmean(of_layers), "states": float((others - states).norm() / states.norm())}


def markdown(table: dict[str, Any]) -> str:
    """Return a Markdown table with the errors, and how they differ from the model's as it is."""
    rows, protocol = table["rows"], table["protocol"]
    lines = [
        "| | | | error of matrices | | error of hidden states | |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for name in (name for name in ROWS if name in rows):
        method, pattern, change = ROWS[name]
        base = rows.get(f"{method}, {pattern}, {NONE}", rows[name])
        cells = (
            f"{rows[name][kind]:.4f} | {rows[name][kind] / base[kind] - 1:+.1%}"
            for kind in ("layers", "states")
        )
        lines.append(f"| {method} | {pattern} | {change} | {' | '.join(cells)} |")
    first, after = protocol["blocks"]
    where = ", ".join(f"{name} {value}" for name, value in table["machine"].items())
    note = (
        f"Blocks {first} to {after - 1} of {protocol['model']}, {protocol['windows']} calibration "
        f"and {protocol['eval_windows']} further windows of {protocol['seq_len']} tokens, float32. "
        f"Measured on: {where}."
    )
    return "\n".join([*lines, "", note, ""])


if __name__ == "__main__":
    main()
