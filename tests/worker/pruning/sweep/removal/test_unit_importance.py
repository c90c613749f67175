"""The streamed importance of units equals that of autograd through the whole model."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.sweeps import model_run
from worker.evaluation.perplexity import token_loss
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt
from worker.pruning.sweep.removal.unit_importance import Importance, measure_importance

BATCHES = [random_ids(2, 16, seed=1), random_ids(1, 16, seed=2)]


@torch.no_grad()
def measured(folder: Path, scratch: Path) -> Importance:
    run = model_run(folder, folder.parent / "out", batch_tokens=32)
    scratch.mkdir()
    found = measure_importance(run.backward, MeasuredUnits(0.3, Adapt()), BATCHES, scratch)
    assert not any(parameter.requires_grad for parameter in run.meta_model.model.parameters())
    assert list(scratch.iterdir()) == []
    return found


def products(folder: Path) -> dict[str, Tensor]:
    """Return |W ⊙ ∂L/∂W| of each parameter, L being the mean of the windows' mean losses."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    windows = torch.split(torch.cat(BATCHES), 1)
    for ids in windows:
        logits = model(ids, use_cache=False).logits
        loss = token_loss(logits[0, :-1], ids[0, 1:]).mean() / len(windows)
        torch.autograd.backward(loss)
    return {
        name: (parameter.detach() * parameter.grad).abs()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def test_a_llama_has_the_importance_of_its_channels_and_heads(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES["llama"])
    found, sizes = measured(folder, tmp_path / "scratch"), products(folder)
    for index, block in enumerate(found):
        mlp, attention = (f"model.layers.{index}.{name}" for name in ("mlp", "self_attn"))
        for channel, importance in enumerate(block["mlp.down_proj"]):
            want = sizes[f"{mlp}.gate_proj.weight"][channel].sum()
            want += sizes[f"{mlp}.up_proj.weight"][channel].sum()
            want += sizes[f"{mlp}.down_proj.weight"][:, channel].sum()
            assert importance == pytest.approx(float(want), rel=1e-4)
        for head, importance in enumerate(block["self_attn.o_proj"]):
            queries, keys = slice(16 * head, 16 * head + 16), slice(8 * head, 8 * head + 8)
            want = sizes[f"{attention}.q_proj.weight"][queries].sum()
            want += sizes[f"{attention}.k_proj.weight"][keys].sum()
            want += sizes[f"{attention}.v_proj.weight"][keys].sum()
            want += sizes[f"{attention}.o_proj.weight"][:, queries].sum()
            assert importance == pytest.approx(float(want), rel=1e-4)
        assert block.keys() == {"mlp.down_proj", "self_attn.o_proj"}


def test_biases_belong_to_their_channels(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES["opt-projected"])
    found, sizes = measured(folder, tmp_path / "scratch"), products(folder)
    for index, block in enumerate(found):
        (importances,) = block.values()
        layer = f"model.decoder.layers.{index}"
        for channel, importance in enumerate(importances):
            want = sizes[f"{layer}.fc1.weight"][channel].sum()
            want += sizes[f"{layer}.fc1.bias"][channel]
            want += sizes[f"{layer}.fc2.weight"][:, channel].sum()
            assert importance == pytest.approx(float(want), rel=1e-4)
