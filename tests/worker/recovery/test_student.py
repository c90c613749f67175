"""The student, compared with the pruned model block by block and with transformers' whole model."""

import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from tests.worker.recovery.recoveries import (
    OF_MATRICES,
    SPARSE,
    TWO_OF_FOUR,
    Models,
    prune,
    recovery_settings,
)
from worker.pruning.methods.patterns import Pattern
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import head_logits
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.forward_stream import last_states, open_block_inputs
from worker.recovery.head import DistillationHead, Head
from worker.recovery.kinds.registry import parametrize
from worker.recovery.losses import Targets, distillation_losses
from worker.recovery.settings import Kind
from worker.recovery.student import Student

CPU = torch.device("cpu")
IDS = random_ids(3, 16, seed=5)


def prune_random(folder: Path, family: str, pattern: Pattern = SPARSE) -> Models:
    return prune(write_model(folder / "dense", FAMILIES[family]), folder / "pruned", pattern)


def open_student(
    models: Models,
    kind: Kind,
    dtype: torch.dtype = torch.float32,
    *,
    recomputes: bool = False,
) -> tuple[MetaModel, BlockInputs, Student]:
    meta_model = MetaModel.open(models.dense, dtype, CPU, weights=models.pruned)
    block_inputs = open_block_inputs(meta_model)
    generator = torch.Generator().manual_seed(0)
    build = partial(parametrize, kind, pattern=models.pattern, generator=generator)
    with meta_model.loaded_outside_blocks():
        student = Student(
            meta_model,
            block_inputs,
            build,
            recomputes=recomputes,
            dense=MetaModel.open(models.dense, dtype, CPU) if kind == "ast" else None,
        )
    return meta_model, block_inputs, student


@torch.no_grad()
def check_start(models: Models, kind: Kind, dtype: torch.dtype, folder: Path) -> None:
    """Check that hidden states and logits are those of the pruned model, bit for bit."""
    meta_model, block_inputs, student = open_student(models, kind, dtype)
    stream = last_states(meta_model, block_inputs, [IDS], folder)
    while True:
        try:
            next(stream)
        except StopIteration as end:
            (want,) = end.value
            break
    with meta_model.loaded_outside_blocks():
        got = student(IDS)
        logits = head_logits(meta_model, block_inputs, got[0], student.head_norms())
        assert torch.equal(logits, head_logits(meta_model, block_inputs, want[0]))
    assert torch.equal(got, want)
    for index, block in enumerate(student.trained_blocks()):
        stored = meta_model.read_block(index)
        for name, weight in block.merged().items():
            assert torch.equal(weight, stored[name]), name


@pytest.mark.parametrize("family", FAMILIES)
def test_at_the_start_it_computes_what_the_pruned_model_does(tmp_path: Path, family: str) -> None:
    models = prune_random(tmp_path, family)
    (tmp_path / "spill").mkdir()
    check_start(models, "mask_lora", torch.float32, tmp_path / "spill")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", OF_MATRICES)
def test_every_kind_starts_with_the_pruned_model(
    models: Models, tmp_path: Path, kind: Kind, dtype: torch.dtype
) -> None:
    check_start(models, kind, dtype, tmp_path)


@pytest.mark.parametrize("family", ["llama-tied", "gpt2-conv1d", "mixtral-experts"])
@pytest.mark.parametrize("kind", OF_MATRICES)
def test_merged_weights_give_the_same_outputs(tmp_path: Path, family: str, kind: Kind) -> None:
    models = prune_random(tmp_path, family, TWO_OF_FOUR)
    meta_model, block_inputs, student = open_student(models, kind)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad(), meta_model.loaded_outside_blocks():
        for parameter in student.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for matrix in student.parametrizations():
            keep = getattr(matrix, "keep", None)
            if isinstance(keep, Tensor):  # as in training, where these get no gradient
                matrix.get_parameter("weight").mul_(keep)
        embedded: list[Tensor] = []
        block_inputs.embed([IDS], embedded.append)
        for index, block in enumerate(student.trained_blocks()):
            want = block_inputs.call(block, index, embedded[0])
            stored = meta_model.read_block(index)
            merged = block.merged()
            with meta_model.loaded_block(index, stored | merged) as plain:
                got = block_inputs.call(plain, index, embedded[0])
            assert (got - want).abs().max() <= 1e-5 * want.abs().max()
            for name in block.matrix_names:
                assert torch.equal(merged[name] == 0, stored[name] == 0), name
                assert not torch.equal(merged[name], stored[name]), name
                assert not bool(merged[name].signbit()[merged[name] == 0].any()), name


@pytest.mark.parametrize("family", ["llama-tied", "gpt2-conv1d"])
@pytest.mark.parametrize(("recomputes", "skip"), [(False, 0), (True, 4)])
def test_gradients_are_those_of_the_whole_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, recomputes: bool, skip: int
) -> None:
    monkeypatch.setattr("worker.recovery.head.LOGITS_BYTES", {"cpu": 4 * 96 * 7})  # seven tokens
    models = prune_random(tmp_path, family)
    meta_model, block_inputs, student = open_student(models, "masked", recomputes=recomputes)
    recovery = recovery_settings("masked", skip=skip)
    targets = Targets.of(torch.randn(3 * 15, 96), recovery.temperature)
    with meta_model.loaded_outside_blocks():
        head = DistillationHead(Head(meta_model, block_inputs), recovery)
        loss = head.backward(student(IDS), IDS, targets, student.head_norms())

    shutil.copy(models.dense / "config.json", models.pruned)
    whole = AutoModelForCausalLM.from_pretrained(models.pruned, dtype=torch.float32).eval()
    logits = whole(IDS, use_cache=False).logits[:, :-1].flatten(0, 1)
    losses = distillation_losses(logits, targets, IDS[:, 1:].flatten(), recovery)
    losses = losses.view(3, 15)[:, skip:]
    torch.autograd.backward(losses.sum())
    assert float(loss) == pytest.approx(float(losses.detach().sum()), rel=1e-5)
    want = dict(whole.named_parameters())
    for index, block in enumerate(student.trained_blocks()):
        for name, matrix in zip(block.matrix_names, block.parametrizations(), strict=True):
            got = matrix.get_parameter("weight").grad
            of_whole = want[f"{meta_model.block_name(index)}.{name}"].grad
            assert got is not None
            assert of_whole is not None
            assert (got - of_whole).norm() < 1e-4 * of_whole.norm(), name
    for name, norm in zip(student.norm_names, student.norms, strict=True):
        assert norm.grad is not None
        torch.testing.assert_close(norm.grad, want[name].grad, rtol=1e-4, atol=1e-4)


def test_only_norms_after_the_blocks_are_trained_outside_them(tmp_path: Path) -> None:
    models = prune_random(tmp_path, "bloom-tuples")  # it has another norm before the blocks
    _, _, student = open_student(models, "spp")
    assert student.norm_names == ["transformer.ln_f.weight", "transformer.ln_f.bias"]
