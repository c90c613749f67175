"""Training a quantised model: its weights are rounded, its zeros and scales stay."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.worker.recovery.recoveries import (
    CPU,
    EVALUATION,
    SPARSE,
    TRAINING,
    Models,
    digests,
    finish,
    open_recovery,
    recovery_of,
    recovery_settings,
)
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.generators import run_to_end
from worker.pruning.methods.registry import get_scorer
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.quantization.scheme import Quantization
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.quantization.quantizing import Quantizing
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.recovery.recover import ModelRecovery
from worker.recovery.results import RecoveryProgress, RecoveryResult
from worker.recovery.rounding import FixedScales, packed_matrices

ROUNDING = replace(recovery_of("masked", 12), rounds=True)
KILLED = 5


@pytest.fixture(scope="session")
def quantized(dense: Path) -> Models:
    """The trained model, pruned and quantised to 4 bits."""
    out = dense.parent / "quantized"
    out.mkdir()
    recipe = Recipe(get_scorer("magnitude"), SPARSE, stages=(Quantizing(Quantization(4, 8)),))
    meta_model = MetaModel.open(dense, torch.float32, CPU)
    sweep = ModelPruner(meta_model, recipe, TRAINING[:2], EVALUATION, out, token_loss)
    return Models(dense, out, SPARSE, run_to_end(sweep.run()).pruned_loss)


@dataclass(frozen=True)
class Rounded:
    """A recovery of that model: its folder, its result, and a copy of the folder after a step."""

    out: Path
    left: Path
    result: RecoveryResult


@pytest.fixture(scope="module")
def recovered(quantized: Models, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Rounded]:
    """Recover that model once, for all tests of what comes out."""

    @cache
    def recover() -> Rounded:
        folder = tmp_path_factory.mktemp("rounded")
        out, left = folder / "out", folder / "left"

        def copy(progress: RecoveryProgress) -> None:
            if (progress.stage, progress.step) == ("training", KILLED):
                shutil.copytree(out, left)

        return Rounded(out, left, finish(open_recovery(quantized, out, ROUNDING), copy))

    return recover


def matrices(models: Models, folder: Path) -> dict[str, QuantizedMatrix]:
    """Return the packed matrices in a folder."""
    meta_model = MetaModel.open(models.dense, torch.float32, CPU, weights=folder)
    return {
        f"{index}.{name}": matrix
        for index in range(len(meta_model.blocks))
        for name, matrix in packed_matrices(meta_model, index).items()
    }


def test_weights_are_rounded_to_multiples_of_their_scales() -> None:
    scales = FixedScales(torch.tensor([[0.5, 0.25], [1.0, 0.1]]), 4)
    weights = torch.tensor([[0.7, -0.8, 0.1, 9.0], [-2.4, 2.6, 0.0, -0.26]])
    matrix = scales.quantized(weights)
    assert matrix.integers.tolist() == [[1, -2, 0, 7], [-2, 3, 0, -3]]
    expected = torch.tensor([[0.5, -1.0, 0.0, 1.75], [-2.0, 3.0, 0.0, -0.3]])
    torch.testing.assert_close(scales.rounded(weights), expected)
    assert torch.equal(scales.rounded(scales.rounded(weights)), scales.rounded(weights))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("bits", [4, 8])
def test_weights_that_are_rounded_already_do_not_change(dtype: torch.dtype, bits: int) -> None:
    generator = torch.Generator().manual_seed(0)
    integers = torch.randint(-(2 ** (bits - 1)), 2 ** (bits - 1), (6, 32), generator=generator)
    scales = (torch.rand(6, 4, generator=generator) + 0.01).to(dtype)
    matrix = QuantizedMatrix(integers.to(torch.int8), scales, bits)
    again = FixedScales(scales, bits).quantized(matrix.weights().float())
    assert torch.equal(again.integers, matrix.integers)


def test_the_gradient_passes_straight_through() -> None:
    scales = FixedScales(torch.tensor([[0.5]]), 4)
    weights = torch.tensor([[0.7, -9.0, 0.1, 0.0]], requires_grad=True)
    factors = torch.tensor([[1.0, 2.0, -3.0, 4.0]])
    (gradient,) = torch.autograd.grad((scales.rounded(weights) * factors).sum(), weights)
    assert torch.equal(gradient, factors)


def test_the_recovered_model_is_quantised_with_the_same_scales_and_zeros(
    quantized: Models, recovered: Callable[[], Rounded]
) -> None:
    result = recovered().result

    assert result.evaluation_loss_before == pytest.approx(quantized.pruned_loss, rel=1e-6)
    assert result.held_out_after < result.held_out_before
    before, after = matrices(quantized, quantized.pruned), matrices(quantized, recovered().out)
    assert before.keys() == after.keys()
    assert len(before) == 3 * 7
    changed = 0
    for name, matrix in after.items():
        assert torch.equal(matrix.scales, before[name].scales), name
        assert (matrix.integers[before[name].integers == 0] == 0).all(), name
        changed += not torch.equal(matrix.integers, before[name].integers)
    assert changed


def test_the_measured_loss_is_that_of_the_written_integers(
    quantized: Models, recovered: Callable[[], Rounded], tmp_path: Path
) -> None:
    result, written = recovered().result, replace(quantized, pruned=recovered().out)
    same = finish(open_recovery(written, tmp_path, ROUNDING))
    assert same.held_out_before == pytest.approx(result.held_out_after, rel=1e-5)
    assert same.evaluation_loss_before == result.evaluation_loss_after


def stored(folder: Path) -> dict[str, Tensor]:
    checkpoint = Checkpoint.open(folder)
    return {name: checkpoint.read(name) for name in checkpoint.tensors}


def test_a_model_that_gets_no_better_is_written_as_it_was(
    quantized: Models, tmp_path: Path
) -> None:
    result = finish(open_recovery(quantized, tmp_path, replace(ROUNDING, learning_rate=1.0)))
    assert result.kept_start
    before, after = stored(quantized.pruned), stored(tmp_path)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_run_killed_in_training_resumes_with_the_same_bytes(
    quantized: Models, recovered: Callable[[], Rounded]
) -> None:
    undisturbed = recovered()
    again: ModelRecovery = open_recovery(quantized, undisturbed.left, ROUNDING)
    assert again.resumed_from_step == KILLED
    assert finish(again) == undisturbed.result
    assert digests(undisturbed.left) == digests(undisturbed.out)


def test_other_kinds_train_no_quantised_weights() -> None:
    with pytest.raises(ValueError, match="choose masked"):
        recovery_settings("spp", rounds=True)
