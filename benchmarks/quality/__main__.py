"""Measure the perplexity of the demo's model by method and pattern: `python -m benchmarks.quality`.

By default, a few cells of the table are measured, on the docstrings of Python's standard library.
`--full` measures all cells; `--resume` continues an interrupted run.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from transformers.utils import logging

from benchmarks.quality.chart import chart
from benchmarks.quality.combinations import COMBINATIONS, PATTERNS, QUICK, Combination
from benchmarks.quality.measured_job import OWN_TEXT, job_fields, measure
from benchmarks.quality.table import Table
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model

RESULTS = Path(__file__).parents[1] / "results"


def main() -> None:
    """Measure the cells, and write the table as JSON, Markdown and SVG."""
    arguments = _arguments()
    logging.disable_progress_bar()
    path = RESULTS / ("quality.json" if arguments.full else "quality-quick.json")
    table = Table.open(path, _protocol(arguments), arguments.resume)
    with TemporaryDirectory() as baselines:
        for combination, pattern in _cells(arguments):
            if table.perplexity(combination.name, pattern) is None:
                spec = _spec(arguments, combination, pattern)
                metrics = measure(spec, Path(baselines))
                table.put(combination.name, pattern, metrics)
                line = f"{combination.name} at {pattern}: {metrics['pruned_perplexity']:.2f}"
                print(line, file=sys.stderr, flush=True)
    names = [combination.name for combination in COMBINATIONS]
    path.with_suffix(".md").write_text(table.markdown(names, tuple(PATTERNS)))
    path.with_suffix(".svg").write_text(_chart(table))
    print(table.markdown(names, tuple(PATTERNS)), file=sys.stderr)
    print(json.dumps(table.content))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--model", type=Path, help="a folder, instead of the demo's model")
    parser.add_argument("--calibration", type=Path, help="a text file")
    parser.add_argument("--evaluation", type=Path, help="a text file")
    parser.add_argument("--full", action="store_true", help="every cell of the table")
    parser.add_argument("--only", nargs="+", help="names of the rows to measure")
    parser.add_argument("--patterns", nargs="+", choices=PATTERNS, default=list(PATTERNS))
    parser.add_argument(
        "--resume", action="store_true", help="keep cells that were measured before"
    )
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--seq-len", type=int, default=512)
    parser.add_argument("--eval-samples", type=int, default=16)
    arguments = parser.parse_args()
    if (arguments.calibration is None) != (arguments.evaluation is None):
        parser.error("give both --calibration and --evaluation, or neither")
    arguments.model = arguments.model or fetch_model(Path(".demo/models"))
    return arguments


def _protocol(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the settings that all cells share."""
    return {
        "model": arguments.model.name,
        "dataset": arguments.calibration.name if arguments.calibration else OWN_TEXT,
        "eval_dataset": arguments.evaluation.name if arguments.evaluation else OWN_TEXT,
        "samples": arguments.samples,
        "seq_len": arguments.seq_len,
        "eval_samples": arguments.eval_samples,
    }


def _cells(arguments: argparse.Namespace) -> Iterator[tuple[Combination, str]]:
    """Yield the cells to measure, column by column, because methods are compared in a column."""
    for pattern in arguments.patterns:
        for combination in COMBINATIONS:
            is_named = not arguments.only or combination.name in arguments.only
            is_selected = arguments.full or pattern in QUICK.get(combination.name, ())
            if is_named and is_selected and pattern in combination.patterns:
                yield combination, pattern


def _spec(arguments: argparse.Namespace, combination: Combination, pattern: str) -> PruneSpec:
    fields = job_fields(
        arguments.model,
        arguments.calibration,
        arguments.evaluation,
        seq_len=arguments.seq_len,
        eval_samples=arguments.eval_samples,
    )
    own = {"samples": arguments.samples, **PATTERNS[pattern], **combination.fields}
    return PruneSpec.model_validate(fields | own)


def _chart(table: Table) -> str:
    rows = {
        combination.name: [table.perplexity(combination.name, pattern) for pattern in PATTERNS]
        for combination in COMBINATIONS
        if combination.name in table.content["cells"]
    }
    return chart(tuple(PATTERNS), rows, table.content["dense_perplexity"])


if __name__ == "__main__":
    main()
