"""Removing units from a small model, from the sweep to the smaller folder."""

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, FUSED, MIXTURES, RECURRENT, random_ids
from tests.worker.pruning.sweeps import CALIBRATION, sweep, tensors
from worker.pruning.base.generators import run_to_end
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.removal import Removal
from worker.pruning.structure.smaller_model import SmallerModel
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult

CONFIGS = {**FAMILIES, **MIXTURES, **FUSED, **RECURRENT}
WITHOUT_FIELD = {"bloom", "bloom-tuples", "mpt"}
"""Families whose MLPs are four times as wide as the hidden state by definition."""
WITHOUT_MLP = {"mamba", "mamba2", "falcon-mamba"}
NARROWED = (
    "llama-tied",  # gated
    "opt-projected",  # not gated, with biases
    "gpt2",  # transposed, with a width that the config leaves out
    "phi3",  # gate and up in one matrix
    "qwen2-moe-shared",  # experts, and one for all tokens
    "gpt-oss-interleaved",  # experts in one tensor, with gate and up in turns
    "llama4-bmm",  # the same transposed, in every other block
    "jetmoe-modules",  # experts in one tensor of a module of its own
    "deepseek-v3-latent",  # a first block without experts
    "rwkv-triples",  # recurrent
)
"""Families whose MLPs can be made narrower, one of each kind."""


def removing(removal: Removal) -> Recipe:
    """Return a recipe that only removes units."""
    return Recipe(None, Unstructured(0.0), removal=removal)


@dataclass(frozen=True)
class Removed:
    """The results of a removal: the blocks, and the folders of the whole and the smaller model."""

    blocks: list[BlockResult]
    whole: Path
    smaller: Path
    model: SmallerModel


def removed(
    dense: Path, folder: Path, recipe: Recipe, calibration: Tensor = CALIBRATION
) -> Removed:
    """Remove units from the model in ``dense``, and write both models below ``folder``."""
    whole, smaller = folder / "whole", folder / "smaller"
    blocks, _ = sweep(dense, whole, recipe, calibration)
    shutil.copyfile(dense / "config.json", whole / "config.json")
    smaller.mkdir()
    meta_model = MetaModel.open(whole, torch.float32, torch.device("cpu"))
    assert recipe.removal is not None
    ranges = [{units.name: units.ranges for units in block.removed} for block in blocks]
    dropped = [block.index for block in blocks if block.is_dropped]
    fields = recipe.removal.fields(meta_model, dropped)
    model = SmallerModel(whole, meta_model, recipe.removal, ranges, dropped, fields)
    run_to_end(model.write(smaller, folder))
    return Removed(blocks, whole, smaller, model)


def logits(folder: Path) -> Tensor:
    """Return the logits of a folder's model, as transformers loads it, on some random ids."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        found: Tensor = model(random_ids(2, 12, seed=3)).logits
    return found


@lru_cache(maxsize=1)
def _dense_logits(folder: Path) -> Tensor:
    """Return the logits of a model from which several tests remove something."""
    return logits(folder)


def parameters(folder: Path) -> int:
    """Return how many numbers the tensors of a folder have."""
    return sum(tensor.numel() for tensor in tensors(folder).values())


def check_cut(dense: Path, found: Removed) -> None:
    """Check that the smaller model computes as the whole one, and lost what its blocks say."""
    whole, smaller = logits(found.whole), logits(found.smaller)
    assert not torch.equal(whole, _dense_logits(dense))
    torch.testing.assert_close(smaller, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))
    lost = sum(block.parameters_removed for block in found.blocks)
    assert parameters(dense) - parameters(found.smaller) == lost > 0
