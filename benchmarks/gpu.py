"""Measure sweeps and a recovery on a GPU, in less than ten minutes: `python -m benchmarks.gpu`.

First each method prunes a small model on the GPU and on the CPU, and the results have to agree.
Then models with random weights of the shapes of 1B, of 8B and of a mixture of experts are pruned
and trained. Of the larger ones a few blocks are measured, because all blocks are alike.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from benchmarks.llama import RandomLlama
from benchmarks.machine import machine
from db.spec.prune_spec import PruneSpec
from worker.evaluation.perplexity import token_loss
from worker.jobs.recipes import recipe_of
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.pipeline import ModelPruner
from worker.recovery.recover import ModelRecovery
from worker.recovery.settings import Recovery

RESULTS = Path(__file__).parent / "results"
GB = 1_000_000_000
JOBS: Mapping[str, Mapping[str, Any]] = {
    "wanda": {"method": "wanda"},
    "zpruner": {"method": "zpruner"},
    "admm": {"method": "admm"},
    "balanced": {"preset": "balanced"},
}
FORWARD, RECOVER = "one forward pass", "recover"
_FORWARD_TOKENS = 16_384  # of a batch, as in a sweep
_SMALLEST_AGREEMENT = 0.995  # of the masks; a sum of products in another order decides near ties


@dataclass(frozen=True)
class Shape:
    """A model that is measured.

    Attributes:
        name: its name in the table.
        model: its shapes, with the blocks that are measured.
        blocks: how many blocks the whole model has.
        samples, seq_len: the calibration windows.
        product: width of the square matrices whose product is the yardstick of the device.
    """

    name: str
    model: RandomLlama
    blocks: int
    samples: int = 128
    seq_len: int = 2_048
    product: int = 8_192

    @property
    def tokens(self) -> int:
        """Number of calibration tokens."""
        return self.samples * self.seq_len

    @property
    def active(self) -> int:
        """Number of weights of the measured blocks by which a token is multiplied."""
        one = self.model
        attention = 2 * one.width**2 * (1 + (one.kv_heads or one.heads) / one.heads)
        mlp = 3 * one.width * one.intermediate * (one.experts_per_token if one.experts else 1)
        return round(one.blocks * (attention + mlp + one.width * one.experts))


_HALF: dict[str, Any] = {"dtype": "bfloat16"}
_1B = RandomLlama(16, 2048, 8192, 32, 128_256, kv_heads=8, **_HALF)
_8B = RandomLlama(4, 4096, 14_336, 32, 128_256, kv_heads=8, **_HALF)
_MIXTURE = RandomLlama(
    2, 2048, 768, 32, 151_936, kv_heads=4, experts=128, experts_per_token=8, **_HALF
)
_TINY = {"samples": 8, "seq_len": 16, "product": 64}
SHAPES = {
    "large": (
        Shape("Llama 1B", _1B, 16),
        Shape("Llama 8B", _8B, 32),
        Shape("128 experts of 30B", _MIXTURE, 48),
    ),
    "tiny": (
        Shape("tiny", RandomLlama(1, 32, 48, 4, 96, kv_heads=2), 2, **_TINY),
        Shape("tiny experts", RandomLlama(1, 32, 48, 4, 96, experts=4), 2, **_TINY),
    ),
}


@dataclass(frozen=True)
class Row:
    """What was measured of one job on one shape.

    Attributes:
        shape, job: their names.
        seconds: from the first read to the last write.
        whole_seconds: the same times the blocks of the whole model over the measured ones.
        tokens_per_second: calibration or training tokens.
        share: of the device's rate in a large product of the same dtype: the arithmetic of one
            forward pass, or of the training, over the time.
        peak_bytes: peak of the tensors on the GPU; None on a CPU.
    """

    shape: str
    job: str
    seconds: float
    whole_seconds: float
    tokens_per_second: float
    share: float
    peak_bytes: int | None


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print JSON, and write JSON and Markdown to `benchmarks/results`.

    Raises:
        SystemExit: there is no GPU, or the GPU prunes other weights than the CPU.
    """
    given = _arguments(words)
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit(
            "this benchmark needs a GPU, and torch finds none; to try it on the CPU, use "
            "--device cpu --shapes tiny"
        )
    logging.disable_progress_bar()
    deadline = perf_counter() + 60 * given.minutes
    chosen = given.only or [FORWARD, *JOBS, RECOVER]
    agreement = {job: agreement_with_cpu(job, device) for job in JOBS if job in chosen}
    print(json.dumps(agreement), file=sys.stderr)
    rows, left_out = list[Row](), list[str]()
    for shape in SHAPES[given.shapes]:
        with TemporaryDirectory(prefix="gpu-", dir=given.scratch) as folder:
            for name, measure in _measurements(shape, device, Path(folder)):
                if name not in chosen:
                    continue
                if perf_counter() > deadline:
                    left_out.append(f"{shape.name}, {name}")
                    continue
                rows.append(measure())
                print(_line(rows[-1], rows), file=sys.stderr, flush=True)
    where = machine() | {"device": _device_name(device)}
    report = {"machine": where, "agreement": agreement, "left_out": left_out}
    report["rows"] = [asdict(row) for row in rows]
    given.out.mkdir(exist_ok=True)
    (given.out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n")
    (given.out / "gpu.md").write_text(_markdown(rows, agreement, left_out, where))
    print(json.dumps(report))
    if wrong := [job for job, share in agreement.items() if share < _SMALLEST_AGREEMENT]:
        raise SystemExit(f"{device} prunes other weights than the CPU: {', '.join(wrong)}")


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="such as cuda:1; cpu to try it out")
    parser.add_argument("--shapes", choices=SHAPES, default="large")
    parser.add_argument("--only", nargs="+", choices=[FORWARD, *JOBS, RECOVER])
    parser.add_argument("--minutes", type=float, default=8, help="no job starts after them")
    parser.add_argument("--scratch", type=Path, help="a folder with 10 GB for models")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the results")
    return parser.parse_args(words)


def agreement_with_cpu(job: str, device: torch.device) -> float:
    """Return the share of a small model's weights of which both devices prune the same, fp32."""
    model = RandomLlama(2, 64, 96, 4, 96, kv_heads=2)
    windows = _windows(96, 16, 32)
    with TemporaryDirectory() as folder:
        model.write(Path(folder) / "model")
        zeros = list[Tensor]()
        for place in (torch.device("cpu"), device):
            out = Path(folder) / f"out-{len(zeros)}"
            _prune(Path(folder) / "model", out, windows, place, torch.float32, JOBS[job])
            written = Checkpoint.open(out)
            blocks = [name for name in written.tensors if ".layers." in name]
            zeros.append(torch.cat([written.read(name).flatten() == 0 for name in blocks]))
    return float((zeros[0] == zeros[1]).double().mean())


def _measurements(
    shape: Shape, device: torch.device, folder: Path
) -> Iterator[tuple[str, Callable[[], Row]]]:
    """Yield the name of each job, and a function that measures it."""
    model, dtype = folder / "model", getattr(torch, shape.model.dtype)
    shape.model.write(model)
    rate = _product_rate(shape.product, device, dtype)
    windows = _windows(shape.model.vocabulary, shape.samples, shape.seq_len)

    def row(job: str, run: Callable[[], object], work: float = 2.0) -> Row:
        seconds, peak = _measured(run, device)
        whole, share = shape.blocks / shape.model.blocks, work * shape.active * shape.tokens / rate
        speed = shape.tokens / seconds
        return Row(shape.name, job, seconds, whole * seconds, speed, share / seconds, peak)

    yield FORWARD, partial(row, FORWARD, _forward(model, windows, device, dtype))
    for job, fields in JOBS.items():
        prune = partial(_prune, model, folder / "pruned", windows, device, dtype, fields)
        yield job, partial(row, job, prune)
        rmtree(folder / "pruned", ignore_errors=True)

    def recover() -> Row:
        _prune(model, folder / "pruned", windows, device, dtype, JOBS["wanda"])
        train = partial(_recover, model, folder / "pruned", windows, device, dtype)
        return row(RECOVER, train, 8.0)  # the teacher's forward, and the training

    yield RECOVER, recover


def _measured(run: Callable[[], object], device: torch.device) -> tuple[float, int | None]:
    """Return the seconds of a function, and the peak bytes of its tensors on the GPU."""
    is_gpu = device.type == "cuda"
    if is_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    started = perf_counter()
    run()
    if is_gpu:
        torch.cuda.synchronize(device)
    seconds = perf_counter() - started
    return seconds, torch.cuda.max_memory_allocated(device) if is_gpu else None


def _product_rate(width: int, device: torch.device, dtype: torch.dtype) -> float:
    """Return the operations per second of a large product, which few cards' peak is far above."""
    matrix = torch.randn(width, width, device=device, dtype=dtype)
    seconds = [_measured(lambda: matrix @ matrix, device)[0] for _ in range(5)]
    return float(2 * width**3 / min(seconds))


def _forward(
    folder: Path, windows: Tensor, device: torch.device, dtype: torch.dtype
) -> Callable[[], None]:
    """Return a function that runs the whole model without its head; it is in memory already."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval().to(device)
    batches = torch.split(windows, max(1, _FORWARD_TOKENS // windows.shape[1]))

    @torch.no_grad()
    def run() -> None:
        for ids in batches:
            model.base_model(ids.to(device), use_cache=False)

    run()  # the first kernels of a process take seconds to load
    return run


def _prune(
    model: Path,
    out: Path,
    windows: Tensor,
    device: torch.device,
    dtype: torch.dtype,
    fields: Mapping[str, Any],
) -> None:
    out.mkdir()
    named = {"model": f"local:{model.resolve()}", "dataset": "none", "sparsity": 0.5}
    recipe = recipe_of(PruneSpec.model_validate({**named, **fields}))
    meta_model = MetaModel.open(model, dtype, device)
    run_to_end(ModelPruner(meta_model, recipe, windows, windows[:0], out, token_loss).run())


def _recover(
    model: Path, pruned: Path, windows: Tensor, device: torch.device, dtype: torch.dtype
) -> None:
    """Train the kept weights on all windows, once."""
    out = pruned.with_name("recovered")
    out.mkdir()
    recovery = ModelRecovery(
        MetaModel.open(model, dtype, device),
        MetaModel.open(model, dtype, device, weights=pruned),
        Recovery("masked", tokens=windows.numel()),
        None,
        windows,
        windows[:2],
        windows[:0],
        out,
        token_loss,
        seed=0,
    )
    run_to_end(recovery.run())


def _windows(vocabulary: int, samples: int, seq_len: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(vocabulary, (samples, seq_len), generator=generator)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _markdown(
    rows: Sequence[Row],
    agreement: Mapping[str, float],
    left_out: Sequence[str],
    where: Mapping[str, object],
) -> str:
    lines = [
        "| model | job | seconds | of the whole model | over one forward pass | tokens a second "
        "| share of a product's rate | peak |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *(_line(row, rows) for row in rows),
        "",
        *([f"Left out, because the time was over: {'; '.join(left_out)}.", ""] if left_out else []),
        "Weights of a small model that are pruned as on the CPU: "
        + ", ".join(f"{job} {share:.2%}" for job, share in agreement.items())
        + ".",
        "",
        f"Measured on: {', '.join(f'{name} {value}' for name, value in where.items())}.",
    ]
    return "\n".join([*lines, ""])


def _line(row: Row, rows: Sequence[Row]) -> str:
    forward = [one.seconds for one in rows if (one.shape, one.job) == (row.shape, FORWARD)]
    ratio = f"{row.seconds / forward[0]:.1f}" if forward else ""
    peak = "" if row.peak_bytes is None else f"{row.peak_bytes / GB:.1f} GB"
    return (
        f"| {row.shape} | {row.job} | {row.seconds:.1f} | {row.whole_seconds:.0f} | {ratio} "
        f"| {row.tokens_per_second:,.0f} | {row.share:.1%} | {peak} |"
    )


if __name__ == "__main__":
    main()
