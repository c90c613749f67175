"""The shares of blocks equal those of a plain writing on the whole model."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.sweeps import model_run
from worker.pruning.base.generators import run_to_end
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import PUBLISHED_ADAPT, Adapt
from worker.pruning.sweep.removal.adapt_shares import AdaptShares
from worker.pruning.sweep.removal.model_units import ModelUnits
from worker.pruning.sweep.results import UnitProgress

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


def raised(shares: list[float], distances: list[float], rise: float) -> list[float]:
    """Return clip(s + rise − A · I, 0, 0.99), A being the rise, and I −cos, centred and scaled."""
    mean = sum(distances) / len(distances)
    largest = max(abs(one - mean) for one in distances)
    pairs = zip(shares, distances, strict=True)
    return [min(max(s + rise - rise * (one - mean) / largest, 0.0), 0.99) for s, one in pairs]


def search_on(folder: Path, ratio: float, settings: Adapt) -> tuple[AdaptShares, ModelUnits]:
    run = model_run(folder, folder.parent / "out", batch_tokens=4 * WINDOWS.shape[1])
    units = ModelUnits(run.meta_model, MeasuredUnits(ratio, settings, uniform=False))
    return AdaptShares(run, units, settings), units


@pytest.mark.parametrize(
    ("settings", "ratio", "steps"), [(Adapt(), 0.4, 10), (PUBLISHED_ADAPT, 0.15, 8)]
)
@torch.no_grad()
def test_a_plain_writing_on_the_whole_model_finds_the_same_shares(
    tmp_path: Path, settings: Adapt, ratio: float, steps: int
) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES["llama"])
    search, units = search_on(folder, ratio, settings)
    importance = torch.rand(units.count, generator=torch.Generator().manual_seed(5)).double()
    wanted = ratio * units.parameters / (3 * UNITS)
    seen = list[UnitProgress]()

    steps_made = search.search(importance, ratio * units.parameters, WINDOWS)
    found = run_to_end(steps_made, seen.append)

    dense = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    by_layer = [(own[:2], own[2:]) for own in torch.split(importance, 50)]
    shares, rise = [0.0] * 3, settings.rise or wanted / 10
    while sum(shares) / 3 < wanted - 1e-9:
        model = without(dense, by_layer, numbers(shares))
        shares = raised(shares, distances(model), min(rise, wanted - sum(shares) / 3))
    assert found == pytest.approx(shares, abs=1e-9)
    assert [(one.step, one.steps) for one in seen] == [(n, steps) for n in range(1, steps + 1)]
    assert max(found) - min(found) > 0.05
    assert max(found) < 2 * wanted + 1e-9
    assert sum(found) / 3 == pytest.approx(wanted)
