"""The jobs of the benchmark of a GPU."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from benchmarks.gpu.rows import FORWARD, Row
from benchmarks.gpu.shapes import Shape
from benchmarks.llama import RandomLlama
from db.spec.prune_spec import PruneSpec
from worker.evaluation.perplexity import token_loss
from worker.jobs.recipes import recipe_of
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.pipeline import ModelPruner
from worker.recovery.recover import ModelRecovery
from worker.recovery.settings import Recovery

JOBS: Mapping[str, Mapping[str, Any]] = {
    "wanda": {"method": "wanda"},
    "zpruner": {"method": "zpruner"},
    "admm": {"method": "admm"},
    "balanced": {"preset": "balanced"},
}
RECOVER = "recover"
_FORWARD_TOKENS = 16_384  # of a batch, as in a sweep


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


def measurements(
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
        Recovery("masked", windows.numel(), None, 1.0, 1.0, rounds=False, skip=4),
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
