"""The command ``zpruner speed``."""

import json
import logging
import os
import sys
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from db.core import redaction
from db.spec.options.texts.calibration import Dtype
from worker.benchmark.runtime import RuntimeName
from worker.jobs.resources import valid_device_name
from worker.pruning.base.generators import run_to_end
from worker.standalone.exits import errors_printed, stderr

if TYPE_CHECKING:
    from worker.benchmark.comparison import Comparison

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def _device(name: str) -> str:
    try:
        return valid_device_name(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.command(name="speed")
def command(
    dense: Annotated[Path, typer.Argument(help="A model folder or a GGUF file.")],
    pruned: Annotated[Path, typer.Argument(help="Another one, which is compared with it.")],
    device: Annotated[
        str, typer.Option(help="Device that folders run on.", callback=_device)
    ] = "auto",
    dtype: Annotated[Dtype, typer.Option(help="What folders are computed in.")] = Dtype.auto,
    runtime: Annotated[
        RuntimeName,
        typer.Option(help="auto: transformers for folders, llama.cpp for GGUF files."),
    ] = RuntimeName.auto,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all measurements as a JSON object.")
    ] = False,
) -> None:
    """Measure speed and memory of two models in turns."""
    with errors_printed(ImportError, MemoryError, RuntimeError, ValueError):
        # torch takes seconds to import.
        paths = import_module("worker.benchmark.model_paths")
        measured = _follow(paths.compare_paths(dense, pruned, device, dtype.value, runtime))
    lines = [json.dumps(measured.metrics() | {"benchmark": measured.report()})]
    sys.stdout.write("\n".join(lines if as_json else _table(measured)) + "\n")


def _follow(steps: "Generator[float, None, Comparison]") -> "Comparison":
    """Run the measurement; show a bar on a terminal, and elsewhere a line for each tenth."""
    if not stderr.is_terminal:
        return run_to_end(steps, _Lines())
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr) as progress:
        task = progress.add_task("measuring", total=1.0)
        return run_to_end(steps, lambda done: progress.update(task, completed=done))


class _Lines:
    """Prints a line whenever another tenth of the measurement is done."""

    def __init__(self) -> None:
        self._tenths = -1

    def __call__(self, done: float) -> None:
        if (tenths := int(10 * done)) > self._tenths:
            self._tenths = tenths
            stderr.print(f"{tenths / 10:4.0%} measuring", markup=False)


def _table(measured: "Comparison") -> list[str]:
    speed = measured.metrics()["speed"]
    rows = [
        ("prefill, tokens/s", "prefill_tokens_per_second", 1),
        ("decode, tokens/s", "decode_tokens_per_second", 1),
        ("memory, MB", "memory_bytes", 1e6),
    ]
    lines = [f"{'':18}{'dense':>12}{'pruned':>12}"]
    for name, figure, unit in rows:
        dense, pruned = (speed[f"{model}_{figure}"] / unit for model in ("dense", "pruned"))
        lines.append(f"{name:18}{dense:12.1f}{pruned:12.1f}")
    return [*lines, "", *measured.summary()]


def main() -> Any:
    redaction.install()
    logging.basicConfig(level=logging.WARNING)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    app(prog_name="zpruner speed")


if __name__ == "__main__":
    main()
