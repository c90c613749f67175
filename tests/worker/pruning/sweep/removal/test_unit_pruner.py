"""Whole sweeps that remove channels: what is reported, repaired, refined and refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, MIXTURES, random_ids, write_model
from tests.worker.pruning.sweeps import CALIBRATION, sweep, tensors
from worker.pruning.base.errors import RatioError
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.planning.workload import Propagation
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.neurons import Neurons
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.refinement.refining import Refining
from worker.pruning.sweep.results import BlockResult

RATIO = 0.2
PLAIN = Recipe(None, Unstructured(0.0), removal=Neurons(RATIO, repairs=False))
REPAIRED = replace(PLAIN, removal=Neurons(RATIO))


def channels(block: BlockResult) -> set[int]:
    """Return the removed channels of the first MLP of a block."""
    return {index for start, end in block.removed[0].ranges for index in range(start, end)}


def last_error(blocks: list[BlockResult]) -> float:
    error = blocks[-1].output_error
    assert error is not None
    return error


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_the_reported_channels_are_zero_and_all_others_keep_their_bits(
    tmp_path: Path, propagation: Propagation
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    blocks, _ = sweep(dense, tmp_path / "out", replace(PLAIN, propagation=propagation))
    before, after = tensors(dense), tensors(tmp_path / "out")
    for block in blocks:
        removed = torch.tensor(sorted(channels(block)))
        assert [(units.name, units.count) for units in block.removed] == [("mlp.down_proj", 16)]
        for name, dim in (("gate_proj", 0), ("up_proj", 0), ("down_proj", 1)):
            key = f"{block.name}.mlp.{name}.weight"
            assert torch.equal(after[key], before[key].index_fill(dim, removed, 0)), key
            del after[key]
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_reference_propagation_chooses_and_repairs_by_the_inputs_in_the_dense_model(
    tmp_path: Path,
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    blocks, _ = sweep(dense, tmp_path / "out", replace(REPAIRED, propagation="reference"))
    model, found = AutoModelForCausalLM.from_pretrained(dense), dict[str, list[Tensor]]()
    for name, layer in model.named_modules():
        if name.endswith("down_proj"):
            inputs = found.setdefault(name, [])
            layer.register_forward_pre_hook(lambda _, args, own=inputs: own.append(args[0]))
    with torch.no_grad():
        model(CALIBRATION)
    after = tensors(tmp_path / "out")
    for block in blocks:
        name = f"{block.name}.mlp.down_proj"
        weight = model.get_submodule(name).weight.detach().double()
        features = found[name][0].flatten(0, 1).double()  # [tokens, channels]
        scores = features.square().sum(0) * weight.square().sum(0)
        kept = scores.topk(32).indices.sort().values
        assert channels(block) == set(range(48)) - set(kept.tolist())
        gram = features.T @ features
        damping = 0.1 * gram.diagonal().mean() * torch.eye(32, dtype=torch.float64)
        own = gram[kept][:, kept] + damping
        solved = (weight @ gram[:, kept] + weight[:, kept] @ damping) @ own.inverse()
        torch.testing.assert_close(
            after[f"{name}.weight"][:, kept].double(), solved, rtol=1e-4, atol=1e-6
        )


def test_a_block_reports_the_sizes_of_what_is_left(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    blocks, _ = sweep(dense, tmp_path / "out", REPAIRED)
    for block in blocks:
        assert [layer.weights for layer in block.layers] == [32 * 32] * 3
        assert block.zeros == 0
        assert block.parameters_removed == 3 * 16 * 32
        assert block.parameters == 3 * 32 * 32 + sum(block.untouched.values())
        reader = block.layers[0]
        assert reader.name == "mlp.down_proj.weight"
        assert reader.error is not None
        assert 0 < reader.error < 1
        assert BlockResult.from_json(block.as_json()) == block


@pytest.mark.parametrize(
    ("family", "propagation"),
    [("llama", "fused"), ("gpt2-conv1d", "fused"), ("opt-projected", "reference")],
)
def test_a_repair_lowers_the_error(tmp_path: Path, family: str, propagation: Propagation) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES[family])
    plain, repaired = (
        sweep(dense, tmp_path / name, replace(recipe, propagation=propagation))[0]
        for name, recipe in (("plain", PLAIN), ("repaired", REPAIRED))
    )
    assert channels(plain[0]) == channels(repaired[0])
    assert last_error(repaired) < last_error(plain)


def test_correction_lowers_the_error_on_the_calibration_text(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    errors = []
    for share in (0.0, 0.5):
        recipe = replace(REPAIRED, correction=share)
        found, _ = sweep(dense, tmp_path / f"{share}", recipe, evaluation=CALIBRATION)
        errors.append(last_error(found))
    assert errors[1] < errors[0]


def test_refinement_trains_all_layers_and_keeps_the_removed_channels_zero(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    refinement = Refinement(steps=6, learning_rate=2e-3, tokens=32 * 16)
    sweep(dense, tmp_path / "plain", PLAIN)
    blocks, _ = sweep(dense, tmp_path / "refined", replace(PLAIN, stages=(Refining(refinement),)))
    plain, refined = tensors(tmp_path / "plain"), tensors(tmp_path / "refined")
    for layer, zeros in (("self_attn.q", 0), ("mlp.gate", 512), ("mlp.up", 512), ("mlp.down", 512)):
        keys = [f"{block.name}.{layer}_proj.weight" for block in blocks]
        assert any(not torch.equal(refined[key], plain[key]) for key in keys)
        assert [int((refined[key] == 0).sum()) for key in keys] == [zeros] * 3
    losses = [block.refinement for block in blocks if block.refinement]
    assert sum(one.held_out_after for one in losses) < sum(one.held_out_before for one in losses)


def test_an_expert_that_few_tokens_reach_is_judged_by_its_weights_and_not_repaired(
    tmp_path: Path,
) -> None:
    dense = write_model(tmp_path / "dense", MIXTURES["mixtral"])
    blocks, _ = sweep(dense, tmp_path / "few", REPAIRED, random_ids(2, 16))
    readers = [layer for layer in blocks[0].layers if layer.name.endswith("down_proj")]
    assert len(readers) == 4
    assert all(layer.fallback and "chosen by the norms" in layer.fallback for layer in readers)
    blocks, _ = sweep(dense, tmp_path / "some", REPAIRED, random_ids(8, 16))
    reasons = {layer.fallback for layer in blocks[0].layers if layer.fallback}
    assert reasons
    assert all(reason.endswith("fewer than 96: not repaired") for reason in reasons)
    assert {units.count for block in blocks for units in block.removed} == {8}


def test_a_ratio_that_no_number_of_channels_meets_is_refused_before_any_work(
    tmp_path: Path,
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    with pytest.raises(RatioError, match=r"ratio of 0\.9 removes all units of a module"):
        sweep(dense, tmp_path / "out", replace(PLAIN, removal=Neurons(0.9)))
    assert not list((tmp_path / "out").iterdir())
