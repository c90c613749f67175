"""Sweeps that remove channels and spare those that matter on a second text."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, MIXTURES, random_ids, write_model
from tests.worker.pruning.sweeps import sweep, tensors
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.planning.workload import Propagation
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.neurons import Neurons
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.refinement.refining import Refining
from worker.pruning.sweep.results import BlockResult

FIRST, SECOND = random_ids(21, 16, seed=1), random_ids(13, 16, seed=5) // 8
BOTH = torch.cat([FIRST, SECOND])
RECIPE = Recipe(None, Unstructured(0.0), removal=Neurons(0.2, spared_windows=len(SECOND)))


def channels(block: BlockResult) -> set[int]:
    """Return the removed channels of the MLP of a block."""
    return {index for start, end in block.removed[0].ranges for index in range(start, end)}


def shares(model: Path, ids: Tensor) -> Tensor:
    """Return each channel's share of the outputs of the first block's MLP, token by token."""
    decoder = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    reader = decoder.model.layers[0].mlp.down_proj
    sizes = reader.weight.detach().square().sum(0)
    total = torch.zeros(len(sizes))

    def add(_: object, args: tuple[Tensor]) -> None:
        total.add_((args[0].detach().square() * sizes).sum((0, 1)))

    reader.register_forward_pre_hook(add)
    with torch.no_grad():
        decoder(ids)
    return total / total.sum()


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_the_channels_that_go_contribute_least_to_both_texts(
    tmp_path: Path, propagation: Propagation
) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    recipe = replace(RECIPE, propagation=propagation)
    blocks, _ = sweep(dense, tmp_path / "out", recipe, BOTH)
    joint = torch.maximum(shares(dense, FIRST), shares(dense, SECOND))
    assert channels(blocks[0]) == set(joint.argsort()[:16].tolist())
    alone, _ = sweep(dense, tmp_path / "alone", replace(RECIPE, removal=Neurons(0.2)), FIRST)
    assert channels(blocks[0]) != channels(alone[0])


def test_the_same_text_twice_spares_what_it_spares_once(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    twice = replace(RECIPE, removal=Neurons(0.2, repairs=False, spared_windows=len(FIRST)))
    once = replace(RECIPE, removal=Neurons(0.2, repairs=False))
    sweep(dense, tmp_path / "twice", twice, torch.cat([FIRST, FIRST]))
    sweep(dense, tmp_path / "once", once, FIRST)
    before, after = tensors(tmp_path / "once"), tensors(tmp_path / "twice")
    assert all(torch.equal(value, after[name]) for name, value in before.items())


@pytest.mark.parametrize("family", ["llama", "mixtral"])
def test_blocks_are_repaired_corrected_and_refined_on_both_texts(
    tmp_path: Path, family: str
) -> None:
    dense = write_model(tmp_path / "dense", {**FAMILIES, **MIXTURES}[family])
    refinement = Refinement(steps=4, learning_rate=2e-3)
    recipe = replace(RECIPE, correction=0.3, stages=(Refining(refinement),))
    blocks, _ = sweep(dense, tmp_path / "out", recipe, BOTH)
    found = [block.refinement for block in blocks]
    assert all(one is not None and one.held_out_after <= one.held_out_before for one in found)
    assert blocks[0].layers[0].tokens > 0
