"""Sizes and times of the compact form, of zstd, and of both: `python -m benchmarks.compact`.

The demo's model is pruned, and its weight files are written in each form, one after the other by
one thread. Every restored file is compared with the original. Times are the process's own, so that
other programs on the machine matter little.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import pyarrow as pa  # type: ignore[import-untyped] # it has none

from benchmarks.machine import machine
from benchmarks.process import ZPRUNER, run
from demo.model import fetch_model
from zpruner.files.compact_file import CompactFile
from zpruner.files.expanded_file import ExpandedFile

RESULTS = Path(__file__).parent / "results"
MODELS = Path(".demo/models")
TARGETS = {
    "50 %": ("--sparsity", "0.5"),
    "70 %": ("--sparsity", "0.7"),
    "2:4": ("--pattern", "2:4"),
}
LEVELS = (3, 9)
MB = 1_000_000


@dataclass(frozen=True)
class Form:
    """The weights in one form.

    Attributes:
        target: how the model was pruned.
        name: the form.
        size_bytes: size of all weight files in this form.
        share: that size over the size of the plain files.
        write_seconds, restore_seconds: CPU seconds to make all files of this form from the plain
            ones, and the reverse.
    """

    target: str
    name: str
    size_bytes: int
    share: float
    write_seconds: float
    restore_seconds: float


def main() -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compact", description=__doc__)
    parser.add_argument("--levels", type=int, nargs="+", default=LEVELS, help="levels of zstd")
    given = parser.parse_args()
    forms: list[Form] = []
    with TemporaryDirectory() as folder:
        for target, options in TARGETS.items():
            out = Path(folder) / target.replace(" %", "").replace(":", "of")
            _prune(out, options)
            forms += _measured(target, sorted(out.glob("*.safetensors")), given.levels)
    report = {
        "machine": machine(),
        "protocol": {"method": "magnitude", "zstd": list(given.levels), "threads": 1},
        "forms": [asdict(form) for form in forms],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "compact.json").write_text(json.dumps(report, indent=2) + "\n")
    (RESULTS / "compact.md").write_text(_markdown(forms))
    print(_markdown(forms), file=sys.stderr)
    print(json.dumps(report))


def _prune(out: Path, options: Sequence[str]) -> None:
    model = str(fetch_model(MODELS))
    small = ("--samples", "1", "--eval-samples", "1", "--seq-len", "64")
    words = ["--dataset", "stdlib-docs", "--method", "magnitude", *options, *small]
    run([ZPRUNER, "prune", model, str(out), *words])


def _measured(target: str, files: Sequence[Path], levels: Sequence[int]) -> list[Form]:
    """Measure each form of the files."""
    plain = {path: path.read_bytes() for path in files}
    sizes = sum(map(len, plain.values()))
    found = [Form(target, "plain", sizes, 1.0, 0.0, 0.0)]
    compact, seconds = _timed(lambda: {path: b"".join(CompactFile(path)) for path in files})
    for path, content in compact.items():
        _small(path).write_bytes(content)
    again, back = _timed(lambda: {path: b"".join(ExpandedFile(_small(path))) for path in files})
    _require_same(again, plain)
    small = sum(map(len, compact.values()))
    found.append(Form(target, "compact", small, small / sizes, seconds, back))
    for level in levels:
        for name, source in (("zstd", plain), ("compact, zstd", compact)):
            size, there, back = _zstd(source, level)
            if source is compact:
                there, back = there + found[1].write_seconds, back + found[1].restore_seconds
            found.append(Form(target, f"{name} -{level}", size, size / sizes, there, back))
    return found


def _zstd(files: dict[Path, bytes], level: int) -> tuple[int, float, float]:
    """Return the size of the compressed files, and the seconds to compress and to restore them."""
    codec = pa.Codec("zstd", compression_level=level)
    packed, there = _timed(
        lambda: {path: codec.compress(one, asbytes=True) for path, one in files.items()}
    )
    again, back = _timed(
        lambda: {
            path: codec.decompress(one, len(files[path]), asbytes=True)
            for path, one in packed.items()
        }
    )
    _require_same(again, files)
    return sum(map(len, packed.values())), there, back


def _timed(act: Callable[[], dict[Path, bytes]]) -> tuple[dict[Path, bytes], float]:
    started = process_time()
    return act(), process_time() - started


def _small(path: Path) -> Path:
    return path.with_suffix(".compact")


def _require_same(found: dict[Path, bytes], expected: dict[Path, bytes]) -> None:
    if found != expected:
        raise SystemExit("a restored file is not the same")


def _markdown(forms: Sequence[Form]) -> str:
    lines = [
        "| pruned to | form | MB | of plain | CPU seconds to write | to restore |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for form in forms:
        times = "| | |"
        if form.name != "plain":
            times = f"| {form.write_seconds:.1f} | {form.restore_seconds:.1f} |"
        size = f"{form.size_bytes / MB:,.1f} | {100 * form.share:.1f} %"
        lines.append(f"| {form.target} | {form.name} | {size} {times}")
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    note = (
        "All weights of the demo's model, SmolLM2-135M-Instruct, of which 21 % are embeddings, "
        "which are not pruned; bfloat16. Files are in the page cache; one thread."
    )
    return "\n".join([*lines, "", note, "", f"Measured on: {where}.", ""])


if __name__ == "__main__":
    main()
