"""Recoveries on a GPU: no operation mixes devices, and only known places wait for the GPU."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from tests.cuda.fake import CUDA, MixedDevicesError, fake_cuda
from tests.cuda.faults import leave_on_cpu
from tests.cuda.waits import WAITS
from tests.models import FAMILIES, write_model
from tests.worker.pruning.experts.cutting import cut
from tests.worker.pruning.experts.mixtures import write_mixture
from tests.worker.recovery.recoveries import (
    BATCH_TOKENS,
    CPU,
    OF_MATRICES,
    SPARSE,
    TWO_OF_FOUR,
    Models,
    open_recovery,
    prune,
    recovery_of,
    text,
)
from worker.pruning.base.generators import run_to_end
from worker.pruning.experts.settings import ExpertSettings
from worker.recovery.results import RecoveryResult
from worker.recovery.settings import Kind

STEPS = 2


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make steps of four windows."""
    monkeypatch.setattr("worker.recovery.settings._FEWEST_BATCH_TOKENS", BATCH_TOKENS)


@pytest.mark.parametrize("kind", OF_MATRICES)
def test_a_recovery_does_on_a_gpu_what_it_does_on_the_cpu(kind: Kind, tmp_path: Path) -> None:
    _compare(_pruned(tmp_path, kind), tmp_path, kind)


def test_routers_are_trained_on_a_gpu_as_on_the_cpu(tmp_path: Path) -> None:
    dense, smaller = write_mixture(tmp_path / "dense", "qwen3-moe"), tmp_path / "smaller"
    cut(dense, smaller, ExpertSettings(0.5), text(8, seed=4))
    _compare(Models(dense, smaller, SPARSE), tmp_path, "router")


def test_a_tensor_that_is_left_on_the_cpu_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_on_cpu("worker.recovery.head.head_logits", monkeypatch)
    with fake_cuda(), pytest.raises(MixedDevicesError, match="tensors of several devices"):
        _recover(_pruned(tmp_path, "masked"), tmp_path / "gpu", "masked", CUDA)


def _compare(models: Models, folder: Path, kind: Kind) -> None:
    on_cpu = _recover(models, folder / "cpu", kind, CPU)
    with fake_cuda() as waits:
        on_gpu = _recover(models, folder / "gpu", kind, CUDA)
    assert on_gpu.steps == on_cpu.steps == STEPS
    losses = [[one.loss for one in result.curve[1:]] for result in (on_gpu, on_cpu)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert on_gpu.held_out_after == pytest.approx(on_cpu.held_out_after, rel=1e-4)
    assert waits.unknown(WAITS) == []


def _pruned(folder: Path, kind: Kind) -> Models:
    config = deepcopy(FAMILIES["llama"])
    config.num_hidden_layers = 2
    dense = write_model(folder / "dense", config)
    return prune(dense, folder / "pruned", TWO_OF_FOUR if kind == "ast" else SPARSE)


def _recover(models: Models, out: Path, kind: Kind, device: torch.device) -> RecoveryResult:
    recovery = open_recovery(models, out, recovery_of(kind, STEPS), device=device)
    return run_to_end(recovery.run())
