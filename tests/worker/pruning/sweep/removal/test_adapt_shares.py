"""The shares of blocks equal those of a plain writing on the whole model."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from worker.pruning.base.generators import run_to_end
from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.methods.adapt import next_sparsities, shifted
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt
from worker.pruning.sweep.progress import Progress
from worker.pruning.sweep.removal.adapt_shares import AdaptShares
from worker.pruning.sweep.removal.model_units import ModelUnits

SETTINGS = Adapt(steps=4, amplitude=0.1)
WINDOWS = random_ids(6, 16, seed=1)
HEAD, CHANNEL, UNITS = 1536, 96, 2 * 1536 + 48 * 96
"""Parameters of a unit of each kind, and of all units of a block, in the small Llama."""


@torch.no_grad()
def distances(model: LlamaForCausalLM) -> list[float]:
    """Return 1 − cos of each layer's input and output, the mean over tokens."""
    found: list[float] = []

    def measure(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        cosine = torch.cosine_similarity(inputs[0].double(), output.double(), dim=-1)
        found.append(float(1 - cosine.mean()))

    handles = [layer.register_forward_hook(measure) for layer in model.model.layers]
    model(WINDOWS)
    for handle in handles:
        handle.remove()
    return found


@torch.no_grad()
def without(
    dense: LlamaForCausalLM, importance: Sequence[tuple[Tensor, Tensor]], lost: list[list[int]]
) -> LlamaForCausalLM:
    """Return a model whose layers lack their least important heads and channels."""
    model = deepcopy(dense)
    for layer, (heads, channels), (few, many) in zip(
        model.model.layers, importance, lost, strict=True
    ):
        for head in heads.argsort()[:few].tolist():
            layer.self_attn.o_proj.weight[:, 16 * head : 16 * head + 16] = 0
        layer.mlp.down_proj.weight[:, channels.argsort()[:many]] = 0
    return model


def numbers(shares: Sequence[float]) -> list[list[int]]:
    """Return how many heads and channels each layer loses: heads rounded, channels for the rest."""
    found, left = [], 0.0
    for share in shares:
        left += share * UNITS
        heads = max(min(round(left / UNITS * 2), int(left // HEAD), 1), 0)
        channels = max(round((left - heads * HEAD) / CHANNEL), 0)
        left -= heads * HEAD + channels * CHANNEL
        found.append([heads, channels])
    return found


@torch.no_grad()
def test_a_plain_writing_on_the_whole_model_finds_the_same_shares(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES["llama"])
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    block_inputs = BlockInputs(meta_model)
    with meta_model.loaded_embeddings():
        block_inputs.detect_output_format()
    units = ModelUnits(meta_model, MeasuredUnits(0.4, SETTINGS, uniform=False))
    importance = torch.rand(units.count, generator=torch.Generator().manual_seed(5)).double()
    wanted = 0.4 * units.parameters
    search = AdaptShares(meta_model, block_inputs, SINGLE_PROCESS, units, SETTINGS)
    (tmp_path / "out").mkdir()
    progress = Progress(tmp_path / "out", {})
    batches = [WINDOWS[:4], WINDOWS[4:]]

    found = run_to_end(search.search(importance, wanted, batches, progress, lambda: None))

    dense = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    by_layer = [(own[:2], own[2:]) for own in torch.split(importance, 50)]
    shares = [0.0] * 3
    for _ in range(SETTINGS.steps):
        model = without(dense, by_layer, numbers(shares))
        rise = wanted / (3 * UNITS) / SETTINGS.steps
        shares = next_sparsities(shares, distances(model), rise, SETTINGS.amplitude)
    assert found == pytest.approx(shifted(shares, [UNITS] * 3, wanted), abs=1e-5)
    assert max(found) - min(found) > 0.05
    assert sum(found) * UNITS == pytest.approx(wanted)
