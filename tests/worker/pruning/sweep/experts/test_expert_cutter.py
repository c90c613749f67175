"""Removing experts of models whose weights are stored as 8-bit floats."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from tests.worker.pruning.experts.cutting import cut, recipe
from tests.worker.pruning.experts.mixtures import write_mixture
from tests.worker.pruning.experts.scaled import scale_matrices, unscale_matrices
from tests.worker.pruning.sweep.resuming import REFINED
from tests.worker.pruning.sweeps import CALIBRATION, EVALUATION
from worker.pruning.base.errors import CheckpointError, UnsupportedModelError
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import get_scorer
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.job_shapes import model_shape, plan_pruning
from worker.pruning.sweep.recipe.check import check_recipe
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult

HALF = ExpertSettings(0.5)
FAMILIES = ["qwen3-moe", "deepseek-v3-groups"]
"""The second one has a block without experts, groups, and matrices that end within a block."""


def stored(folder: Path) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint, as safetensors reads them."""
    files = folder.glob("*.safetensors")
    return {name: value for file in files for name, value in load_file(file).items()}


def opened(folder: Path, dtype: torch.dtype = torch.float32) -> MetaModel:
    return MetaModel.open(folder, dtype, torch.device("cpu"))


def without_seconds(reports: list[BlockResult]) -> list[BlockResult]:
    return [replace(report, prune_seconds=0.0) for report in reports]


@pytest.mark.parametrize("family", FAMILIES)
def test_experts_are_chosen_and_measured_as_those_of_the_plain_weights(
    tmp_path: Path, family: str
) -> None:
    scaled = scale_matrices(write_mixture(tmp_path / "scaled", family))
    plain = unscale_matrices(scale_matrices(write_mixture(tmp_path / "plain", family)))
    reports, result = cut(scaled, tmp_path / "out", HALF)
    expected, of_plain = cut(plain, tmp_path / "of_plain", HALF)
    assert without_seconds(reports) == without_seconds(expected)
    assert result.dense_losses == of_plain.dense_losses
    assert result.pruned_losses == of_plain.pruned_losses


@pytest.mark.parametrize("family", FAMILIES)
def test_matrices_that_stay_are_copied_with_their_scales(tmp_path: Path, family: str) -> None:
    dense = scale_matrices(write_mixture(tmp_path / "dense", family))
    reports, _ = cut(dense, tmp_path / "out", HALF)
    before, after = stored(dense), stored(tmp_path / "out")
    kept = {block.index: block.experts.kept for block in reports if block.experts is not None}
    copied = 0
    for name, value in after.items():
        source = before[name]
        if ".experts." in name:
            block, number = int(name.split(".")[2]), name.split(".experts.")[1].split(".")[0]
            old = kept[block][int(number)]
            source = before[name.replace(f".experts.{number}.", f".experts.{old}.")]
        elif source.shape != value.shape:
            assert ".mlp.gate." in name
            source = source[list(kept[int(name.split(".")[2])])]
        assert source.dtype is value.dtype
        assert torch.equal(source.view(torch.uint8), value.view(torch.uint8)), name
        copied += value.dtype is torch.float8_e4m3fn
    assert copied == sum(name.endswith("_scale_inv") for name in after)
    assert len(before) - len(after) == 2 * 2 * 4 * 3
    configs = [json.loads((path / "config.json").read_text()) for path in (dense, tmp_path / "out")]
    fields = {name for name in configs[0] if configs[0][name] != configs[1][name]}
    assert fields <= {"num_experts", "num_local_experts", "n_routed_experts"}
    assert len(fields) == 1


def test_matrices_outside_the_blocks_are_copied_with_their_scales_and_used(tmp_path: Path) -> None:
    outside = ("lm_head.weight", "model.embed_tokens.weight")
    folders = [write_mixture(tmp_path / name, "qwen3-moe") for name in ("scaled", "plain")]
    scaled, plain = (scale_matrices(folder, others=outside) for folder in folders)
    unscale_matrices(plain)
    (_, result), (_, of_plain) = (
        cut(dense, tmp_path / f"{dense.name}-out", HALF) for dense in (scaled, plain)
    )
    assert result.dense_losses == of_plain.dense_losses
    assert result.pruned_losses == of_plain.pruned_losses
    before, after = stored(scaled), stored(tmp_path / "scaled-out")
    for name in (end for one in outside for end in (one, f"{one}_scale_inv")):
        assert torch.equal(before[name].view(torch.uint8), after[name].view(torch.uint8))


def test_the_memory_of_a_block_is_planned_for_the_weights_that_are_read(tmp_path: Path) -> None:
    scaled = opened(scale_matrices(write_mixture(tmp_path / "scaled", "qwen3-moe")))
    plain = opened(write_mixture(tmp_path / "plain", "qwen3-moe"))
    assert model_shape(scaled, recipe(HALF)).blocks == model_shape(plain, recipe(HALF)).blocks
    assert scaled.checkpoint.size_bytes(scaled.checkpoint.tensors) < plain.checkpoint.size_bytes(
        plain.checkpoint.tensors
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_size_of_the_result_is_planned(tmp_path: Path, dtype: torch.dtype) -> None:
    dense = scale_matrices(write_mixture(tmp_path / "dense", "deepseek-v3-groups"))
    plan = plan_pruning(opened(dense, dtype), recipe(HALF), CALIBRATION, EVALUATION)
    cut(dense, tmp_path / "out", HALF)
    written = Checkpoint.open(tmp_path / "out")
    assert plan.artifact_bytes == written.size_bytes(written.tensors)


def test_plain_transformers_loads_the_folder_and_has_the_reported_loss(tmp_path: Path) -> None:
    """Without a GPU, it multiplies the values by their scales as it reads them."""
    dense = scale_matrices(write_mixture(tmp_path / "dense", "qwen3-moe"))
    _, result = cut(dense, tmp_path / "out", HALF)
    model = AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", experts_implementation="eager", dtype=torch.float32
    )
    assert {value.dtype for value in model.parameters()} == {torch.float32}
    with torch.no_grad():
        logits = model.eval()(EVALUATION).logits[:, :-1]
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), EVALUATION[:, 1:].flatten())
    assert result.pruned_loss == pytest.approx(float(loss), rel=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        Recipe(get_scorer("wanda"), Unstructured(0.5)),
        Recipe(None, Unstructured(0.0)),
        replace(recipe(HALF), stages=(*recipe(HALF).stages, *REFINED.stages)),
    ],
)
def test_everything_that_would_write_other_weights_is_refused(
    tmp_path: Path, other: Recipe
) -> None:
    model = opened(scale_matrices(write_mixture(tmp_path, "qwen3-moe")))
    check_recipe(recipe(HALF), model)
    with pytest.raises(UnsupportedModelError, match=r"8-bit floats.*set method to experts"):
        check_recipe(other, model)


def test_8_bit_floats_without_scales_of_such_blocks_are_refused(tmp_path: Path) -> None:
    folder = scale_matrices(write_mixture(tmp_path, "qwen3-moe"))
    path = folder / "config.json"
    config = json.loads(path.read_text())
    entry = config["quantization_config"] | {"weight_block_size": [8, 16]}
    path.write_text(json.dumps(config | {"quantization_config": entry}))
    with pytest.raises(CheckpointError, match=r"no scales .* each block of 8 x 16 values"):
        opened(folder)
    path.write_text(json.dumps(config | {"quantization_config": None}))
    with pytest.raises(CheckpointError, match="F8_E4M3, which is a quantized format; provide"):
        opened(folder)
