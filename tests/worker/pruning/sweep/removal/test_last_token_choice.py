"""The channels that PTL selects equal those of a plain writing with sets, on the whole model."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, FUSED, MIXTURES, random_ids, write_model
from tests.worker.pruning.structure.removals import removing
from tests.worker.pruning.sweep.increments import gone, gradually
from tests.worker.pruning.sweeps import sweep, tensors
from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.structure.measures import LastTokens
from worker.pruning.structure.neurons import Neurons

GOAL, GENERAL = random_ids(14, 16, seed=1), random_ids(13, 16, seed=5) // 8
PTL = Neurons(0.2, repairs=False, last_tokens=LastTokens())
WIDTH, SMALLEST, PROMPTS = 48, 40, 10
"""Of 48 channels 40 are small: 12,000 of 14,336, rounded down; and 10 windows are prompts."""


def extremes(model: Path, windows: Tensor, largest: bool) -> list[list[set[int]]]:
    """Return for each layer, and its gate, up and down, the channels that are always extreme.

    They are those that all windows have in common among the channels with the largest, or the
    smallest, activations on the last token.
    """
    decoder = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    found = [[set(range(WIDTH)) for _ in range(3)] for _ in decoder.model.layers]

    def watch(common: set[int], features: Tensor) -> None:
        (last,) = features[:, -1]
        common &= set(last.argsort(descending=largest)[:SMALLEST].tolist())

    def input_of(common: set[int], _: nn.Module, args: tuple[Tensor]) -> None:
        watch(common, args[0])

    def output_of(common: set[int], _: nn.Module, args: object, output: Tensor) -> None:
        watch(common, output)

    for layer, (gate, up, down) in zip(decoder.model.layers, found, strict=True):
        layer.mlp.gate_proj.register_forward_hook(partial(output_of, gate))
        layer.mlp.up_proj.register_forward_hook(partial(output_of, up))
        layer.mlp.down_proj.register_forward_pre_hook(partial(input_of, down))
    with torch.no_grad():
        for window in windows:
            decoder(window[None])
    return found


@pytest.mark.parametrize("texts", [0, len(GENERAL)])
def test_a_plain_writing_with_sets_selects_the_same_channels(tmp_path: Path, texts: int) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    general = GENERAL[:texts]
    recipe = removing(Neurons(0.2, False, spared_windows=texts, last_tokens=LastTokens()))
    blocks, _ = sweep(dense, tmp_path / "out", recipe, torch.cat([GOAL, general]))

    small = extremes(dense, GOAL[:PROMPTS], largest=False)
    large = extremes(dense, general, largest=True)
    spared = 0
    for block, goal, text in zip(blocks, small, large, strict=True):
        agreed = set[int]()
        for own, other in zip(goal, text, strict=True):
            agreed |= own - other if texts else own
            spared += len(own & other) * bool(texts)
        assert len(agreed) >= 16  # enough, so that the published rule decides about all
        assert {index for _, index in gone(block)} == set(sorted(agreed)[:16])
    assert bool(spared) == bool(texts)


def test_a_second_increment_selects_among_the_channels_that_are_left(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    made = gradually(dense, tmp_path, removing(PTL), total=2)
    first, second = (
        [{index for _, index in gone(block)} for block in reports] for reports, _ in made
    )
    assert [len(own) for own in first + second] == [8] * 3 + [16] * 3
    assert all(before < after for before, after in zip(first, second, strict=True))


def test_a_block_runs_without_the_selected_channels(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FUSED["phi3"])  # gate and up in one matrix
    blocks, _ = sweep(dense, tmp_path / "out", removing(PTL), GOAL)
    after = tensors(tmp_path / "out")
    for block in blocks:
        removed = sorted(index for _, index in gone(block))
        assert len(removed) >= 8
        assert not after[f"{block.name}.mlp.down_proj.weight"][:, removed].any()


def test_experts_are_refused_before_any_work(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", MIXTURES["mixtral"])
    with pytest.raises(UnsupportedModelError, match="belongs to an expert"):
        sweep(dense, tmp_path / "out", removing(PTL), GOAL)
