"""Sizes and times of compressed downloads: `python -m benchmarks.compact`.

The demo's model is pruned, and its weight files are compressed by the API's code and expanded by
the client's at each level of zstd, one after the other by one thread. Its weights were stored in
four bits before, which a compressor finds; so matrices of normally distributed weights, as models
trained in bfloat16 have them, are measured as well. Every restored file is compared with the
original. Times are the process's own, so that other programs on the machine matter little.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import torch
from safetensors.torch import save_file

from benchmarks.machine import machine
from benchmarks.process import ZPRUNER, run
from demo.model import fetch_model
from worker.pruning.methods.patterns import NofM, Unstructured
from zpruner.files.zstd import PIECE_BYTES, Expansion, compressed

RESULTS = Path(__file__).parent / "results"
MODELS = Path(".demo/models")
TARGETS = {
    "50 %": ("--sparsity", "0.5"),
    "70 %": ("--sparsity", "0.7"),
    "2:4": ("--pattern", "2:4"),
}
LEVELS = (1, 3, 9)
RECEIVED_BYTES = 64 << 10
"""How much the client reads at once."""
MB = 1_000_000


@dataclass(frozen=True)
class Form:
    """The weights in one form.

    Attributes:
        weights: the model, or the distribution of its weights.
        target: how they were pruned.
        name: the form.
        size_bytes: size of all weight files in this form.
        share: that size over the size of the plain files.
        write_seconds, restore_seconds: CPU seconds to make all files of this form from the plain
            ones, and the reverse.
    """

    weights: str
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
    for write in (_write_demo, _write_normal):
        for target in TARGETS:
            with TemporaryDirectory() as folder:
                weights = write(Path(folder) / "out", target)
                files = sorted((Path(folder) / "out").glob("*.safetensors"))
                plain = {path: path.read_bytes() for path in files}
                forms += _measured(weights, target, plain, given.levels)
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


def _write_demo(out: Path, target: str) -> str:
    """Prune the demo's model."""
    model = str(fetch_model(MODELS))
    small = ("--samples", "1", "--eval-samples", "1", "--seq-len", "64")
    words = ["--dataset", "stdlib-docs", "--method", "magnitude", *TARGETS[target], *small]
    run([ZPRUNER, "prune", model, str(out), *words])
    return "demo"


def _write_normal(out: Path, target: str) -> str:
    """Write eight matrices of normally distributed weights, pruned by magnitude."""
    generator, tensors = torch.Generator().manual_seed(0), {}
    option, value = TARGETS[target]
    pattern = NofM(2, 4) if option == "--pattern" else Unstructured(float(value))
    for number in range(8):
        weight = torch.randn(2048, 2048, generator=generator) * 0.02
        keep = pattern.keep(weight.abs())
        tensors[f"{number}"] = weight.masked_fill(~keep, 0).bfloat16()
    out.mkdir()
    save_file(tensors, out / "model.safetensors")
    return "normal"


def _measured(
    weights: str, target: str, plain: dict[Path, bytes], levels: Sequence[int]
) -> list[Form]:
    """Measure each form of the files."""
    whole = sum(map(len, plain.values()))

    def form(name: str, files: dict[Path, bytes], there: float, back: float) -> Form:
        size = sum(map(len, files.values()))
        return Form(weights, target, name, size, size / whole, there, back)

    found = [form("plain", plain, 0.0, 0.0)]
    for level in levels:
        packed, packing, unpacking = _zstd(plain, level)
        found.append(form(f"zstd -{level}", packed, packing, unpacking))
    return found


def _zstd(files: dict[Path, bytes], level: int) -> tuple[dict[Path, bytes], float, float]:
    """Return the compressed files, and the seconds to compress and to restore them."""
    packed, there = _timed(lambda: {path: _packed(one, level) for path, one in files.items()})
    again, back = _timed(lambda: {path: _unpacked(one) for path, one in packed.items()})
    if again != files:
        raise SystemExit("a restored file is not the same")
    return packed, there, back


def _packed(content: bytes, level: int) -> bytes:
    return b"".join(compressed(_pieces(content, PIECE_BYTES), level))


def _unpacked(frame: bytes) -> bytes:
    expansion = Expansion("frame")
    received = _pieces(frame, RECEIVED_BYTES)
    return b"".join(piece for data in received for piece in expansion.pieces(data))


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def _timed(act: Callable[[], dict[Path, bytes]]) -> tuple[dict[Path, bytes], float]:
    started = process_time()
    return act(), process_time() - started


def _markdown(forms: Sequence[Form]) -> str:
    lines = [
        "| weights | pruned to | form | MB | of plain | CPU seconds to write | to restore |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for form in forms:
        times = "| | |"
        if form.name != "plain":
            times = f"| {form.write_seconds:.1f} | {form.restore_seconds:.1f} |"
        size = f"{form.size_bytes / MB:,.1f} | {100 * form.share:.1f} %"
        lines.append(f"| {form.weights} | {form.target} | {form.name} | {size} {times}")
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    note = (
        "demo: all weights of SmolLM2-135M-Instruct, of which 21 % are embeddings, which are not "
        "pruned; the demo's copy was stored in four bits before, which zstd finds. normal: eight "
        "matrices of normally distributed weights, as models trained in bfloat16 have them. All "
        "are bfloat16, pruned by magnitude. Files are in the page cache; one thread."
    )
    return "\n".join([*lines, "", note, "", f"Measured on: {where}.", ""])


if __name__ == "__main__":
    main()
