"""Units are chosen anew in each increment, on the model that the increment before has made."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from tests.models import FAMILIES, write_model
from tests.worker.pruning.structure.removals import removing
from tests.worker.pruning.sweep.increments import CALIBRATION, gone, gradually
from worker.evaluation.perplexity import token_loss
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, Pgp


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "dense", FAMILIES["llama"])


def opened(weights: Path, dense: Path) -> LlamaForCausalLM:
    if weights != dense:
        shutil.copyfile(dense / "config.json", weights / "config.json")
    model: LlamaForCausalLM = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32)
    return model.eval()


def channel_importance(model: LlamaForCausalLM) -> list[Tensor]:
    """Return Σ |W ⊙ ∂L/∂W| of each layer's channels, L being the mean loss on the windows."""
    for ids in torch.split(CALIBRATION, 1):
        logits = model(ids, use_cache=False).logits
        loss = token_loss(logits[0, :-1], ids[0, 1:]).mean() / len(CALIBRATION)
        torch.autograd.backward(loss)
    found = []
    for layer in model.model.layers:
        gate, up, down = (
            (one.weight * one.weight.grad).abs().detach()
            for one in (layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj)
        )
        found.append(gate.sum(1) + up.sum(1) + down.sum(0))
    return found


def test_importance_is_that_of_the_model_of_the_increment_before(
    dense: Path, tmp_path: Path
) -> None:
    made = gradually(dense, tmp_path, removing(MeasuredUnits(0.4, Adapt())), total=2)
    before, after = opened(dense, dense), opened(tmp_path / "1", dense)
    at_first, anew = channel_importance(before), channel_importance(after)
    others = 0
    for index, block in enumerate(made[1][0]):
        first = {unit for name, unit in gone(made[0][0][index]) if name == "mlp.down_proj"}
        removed = {unit for name, unit in gone(block) if name == "mlp.down_proj"}
        assert len(first) == 8
        assert len(removed) == 16
        assert first == set(at_first[index].argsort()[:8].tolist())
        left = [unit for unit in anew[index].argsort().tolist() if unit not in first]
        assert removed - first == set(left[:8])
        others += len(removed - set(at_first[index].argsort()[:16].tolist()))
    assert others  # a measurement of the dense model would have chosen other ones


@pytest.mark.parametrize("uniform", [True, False])
def test_a_search_reports_the_share_of_units_that_it_has_changed(
    dense: Path, tmp_path: Path, uniform: bool
) -> None:
    shares = []
    for rate in (1e-9, 1.0):
        measure = Pgp(steps=4, learning_rate=rate, windows=2, tokens=16, scored=8)
        recipe = removing(MeasuredUnits(0.4, measure, uniform))
        (_, result), *_ = gradually(dense, tmp_path / f"{rate}", recipe, total=1)
        shares.append(result.changed)
    none, some = shares
    assert none == 0.0
    assert some is not None
    assert 0.1 < some < 1.0
