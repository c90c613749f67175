"""Sweeps that quantise each block after it is pruned."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.models import FAMILIES, FUSED, RECURRENT, write_model
from tests.worker.pruning.sweeps import EVALUATION, sweep
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.generators import run_to_end
from worker.pruning.methods.patterns import NofM, Unstructured
from worker.pruning.methods.registry import get_scorer, get_solver
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.quantization.scheme import Quantization
from worker.pruning.refinement.settings import Refinement
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.quantization.quantizing import Quantizing
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.refinement.refining import Refining

FOUR, EIGHT = Quantization(4), Quantization(8)
PLAIN = Recipe(get_scorer("wanda"), Unstructured(0.5))
QUANTIZED = replace(PLAIN, stages=(Quantizing(FOUR),))
NOTHING = Recipe(None, Unstructured(0.0), stages=(Quantizing(FOUR),))
REFINEMENT = Refinement(steps=4, learning_rate=2e-3, tokens=32 * 16)
TRAINED = replace(PLAIN, stages=(Refining(REFINEMENT), Quantizing(FOUR)))
CONFIGS = {**FAMILIES, **FUSED, **RECURRENT}


def weights(folder: Path) -> dict[str, Tensor]:
    """Return all weights of a checkpoint, dequantised."""
    checkpoint = Checkpoint.open(folder).dequantized()
    return {name: checkpoint.read(name) for name in checkpoint.tensors}


@pytest.mark.parametrize(
    ("family", "recipe"),
    [
        ("llama", QUANTIZED),
        ("llama", replace(QUANTIZED, propagation="reference")),
        ("llama", replace(QUANTIZED, stages=(Quantizing(replace(EIGHT, group_size=8)),))),
        ("llama", replace(QUANTIZED, pattern=NofM(2, 4))),
        ("llama", replace(QUANTIZED, solver=get_solver("sparsegpt"), correction=0.3)),
        ("llama", replace(TRAINED, correction=0.3)),
        ("llama", replace(TRAINED, propagation="reference")),
        ("gemma3-hybrid", QUANTIZED),
        ("opt-projected", QUANTIZED),
        ("phi3", QUANTIZED),
        ("gpt-neox", QUANTIZED),
        ("mamba2", QUANTIZED),
    ],
)
def test_zeros_stay_zeros_and_other_weights_change_little(
    tmp_path: Path, family: str, recipe: Recipe
) -> None:
    dense = write_model(tmp_path / "dense", CONFIGS[family])
    sweep(dense, tmp_path / "pruned", replace(recipe, stages=recipe.stages[:-1]))
    reports, result = sweep(dense, tmp_path / "out", recipe)

    before, after = weights(tmp_path / "pruned"), weights(tmp_path / "out")
    assert before.keys() == after.keys()
    names = {f"{block.name}.{layer.name}" for block in reports for layer in block.quantized}
    assert names < after.keys()
    for name in names:
        if ".0." in name:  # later blocks have other inputs, and other masks
            assert (after[name][before[name] == 0] == 0).all(), name
            change = (after[name] - before[name]).norm() / before[name].norm()
            assert 0 < change < 0.25, name
    zeros = sum(int((after[name] == 0).sum()) for name in names)
    assert sum(block.zeros for block in reports) == zeros
    assert result.pruned_loss is not None


def test_each_matrix_is_reported(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    reports, result = sweep(dense, tmp_path / "out", QUANTIZED)

    stored = Checkpoint.open(tmp_path / "out")
    for block in reports:
        assert [one.name for one in block.quantized] == [one.name for one in block.layers]
        for rounded, pruned in zip(block.quantized, block.layers, strict=True):
            name = f"{block.name}.{rounded.name}"
            scales = stored.read(f"{name}_scale")
            ends = (float(scales.min()), float(scales.max()))
            assert (rounded.scale_min, rounded.scale_max) == ends
            parts = [f"{name}_{part}" for part in ("packed", "scale", "shape")]
            assert rounded.bytes == stored.size_bytes(parts)
            assert rounded.error is not None
            assert 0 < rounded.error < 0.2
            assert rounded.fallback is None
            assert rounded.zeros >= pruned.zeros
    files = sum(file.stat().st_size for file in (tmp_path / "out").glob("*.safetensors"))
    assert files == sum(shard.size_bytes for shard in result.shards)
    whole = sum(file.stat().st_size for file in dense.glob("*.safetensors"))
    assert files < 0.6 * whole


def test_the_measured_loss_is_that_of_the_rounded_weights(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    _, result = sweep(dense, tmp_path / "out", QUANTIZED)

    (tmp_path / "same").mkdir()
    rounded = MetaModel.open(dense, torch.float32, torch.device("cpu"), weights=tmp_path / "out")
    kept = Recipe(None, Unstructured(0.0))
    windows = EVALUATION[:0], EVALUATION
    measured = ModelPruner(rounded, kept, *windows, tmp_path / "same", token_loss)
    same = run_to_end(measured.run(), lambda _: None)
    assert same.dense_losses == pytest.approx(result.pruned_losses, rel=1e-6)
    _, plain = sweep(dense, tmp_path / "pruned", PLAIN)
    assert result.pruned_losses != pytest.approx(plain.pruned_losses, rel=1e-6)
    assert result.pruned_loss == pytest.approx(plain.pruned_loss, rel=0.1)


def test_fewer_bits_lose_more(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    errors = {}
    for bits in (4, 8):
        recipe = replace(NOTHING, stages=(Quantizing(Quantization(bits)),))
        reports, _ = sweep(dense, tmp_path / f"{bits}", recipe)
        errors[bits] = reports[-1].output_error or 0.0
    assert 0 < errors[8] < errors[4] / 4


def test_a_sparse_model_is_quantised_without_pruning_it_again(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    sweep(dense, tmp_path / "pruned", PLAIN)
    for file in dense.glob("*.json"):
        if file.name != "model.safetensors.index.json":
            (tmp_path / "pruned" / file.name).write_text(file.read_text())

    reports, _ = sweep(tmp_path / "pruned", tmp_path / "out", NOTHING)

    before, after = weights(tmp_path / "pruned"), weights(tmp_path / "out")
    for name, weight in before.items():
        if name.endswith("proj.weight"):
            assert (after[name][weight == 0] == 0).all(), name
    assert all(block.zeros * 2 >= block.weights for block in reports)


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("computed", [torch.float32, torch.bfloat16])
def test_scales_have_the_stored_dtype(
    tmp_path: Path, stored: torch.dtype, computed: torch.dtype
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"], stored)
    sweep(dense, tmp_path / "out", QUANTIZED, dtype=computed)
    assert {value.dtype for value in weights(tmp_path / "out").values()} == {stored}


def test_skipped_layers_keep_every_bit(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = replace(QUANTIZED, skip=("*.o_proj", "model.layers.0.*"))
    sweep(dense, tmp_path / "out", recipe)
    before, after = weights(dense), weights(tmp_path / "out")
    for name, old in before.items():
        kept = name.startswith("model.layers.0.") or "proj" not in name or "o_proj" in name
        assert torch.equal(old, after[name]) == kept, name
