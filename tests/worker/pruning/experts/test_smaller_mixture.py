"""The config and the modules of a model with fewer experts."""

from pathlib import Path

import pytest
import torch
from transformers import JambaConfig, PretrainedConfig

from tests.models import FAMILIES, MIXTURES, RECURRENT, write_model
from tests.worker.pruning.experts.mixtures import EXPERTS, write_mixture
from tests.worker.pruning.experts.mixtures import MIXTURES as ROUTERS
from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.experts.layers import Routing
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.experts.smaller_mixture import SmallerMixture, smaller_mixture
from worker.pruning.model.meta_model import MetaModel

HALF = ExpertSettings(0.5)


def opened(folder: Path) -> MetaModel:
    return MetaModel.open(folder, torch.float32, torch.device("cpu"))


def mixture_of(folder: Path, config: PretrainedConfig) -> SmallerMixture:
    return smaller_mixture(HALF, opened(write_model(folder, config)))


@pytest.mark.parametrize("family", ROUTERS)
def test_exactly_experts_and_what_routers_have_for_each_become_fewer(
    tmp_path: Path, family: str
) -> None:
    model = opened(write_mixture(tmp_path, family))
    mixture = smaller_mixture(HALF, model)
    assert (mixture.count, mixture.kept) == (EXPERTS, EXPERTS // 2)
    assert set(mixture.fields.values()) == {EXPERTS // 2}
    for index, layer in enumerate(mixture.layers):
        names = {name.rpartition(".")[2] for name in mixture.dims[index]}
        if layer is None:
            assert not names
        else:
            assert names >= {"weight", "gate_up_proj", "down_proj"}
            assert names - {"weight", "bias", "e_score_correction_bias"} <= {
                *("gate_up_proj", "down_proj", "gate_up_proj_bias", "down_proj_bias")
            }
            assert ("bias" in names) == (family == "gpt-oss-bias")
            assert ("e_score_correction_bias" in names) == ("groups" in family)
            before = model.read_block(index)
            after = mixture.cut(index, before, torch.arange(EXPERTS // 2))
            lost = sum(t.numel() for t in before.values()) - sum(t.numel() for t in after.values())
            assert mixture.removed_numbers(index) == lost > 0
            shared = [name for name in before if "shared" in name]
            assert all(after[name] is before[name] for name in shared)


def test_blocks_without_experts_stay(tmp_path: Path) -> None:
    config = RECURRENT["jamba"]
    assert isinstance(config, JambaConfig)
    mixture = mixture_of(tmp_path, config)
    assert [layer is None for layer in mixture.layers] == [True, False, True]
    assert not mixture.dims[0]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (FAMILIES["llama"], "a model of type 'llama' has none; set method to neurons"),
        (MIXTURES["jetmoe-modules"], "of class JetMoeParallelExperts, does not take the tokens"),
        (MIXTURES["llama4-bmm"], "of class Llama4TextExperts, does not take the tokens"),
    ],
)
def test_a_model_without_such_experts_is_refused_before_weights_are_read(
    tmp_path: Path, config: PretrainedConfig, reason: str
) -> None:
    model = opened(write_model(tmp_path, config))
    for file in tmp_path.glob("*.safetensors"):
        file.unlink()
    with pytest.raises(UnsupportedModelError, match=reason):
        smaller_mixture(HALF, model)


def test_a_config_says_how_many_experts_a_token_gets() -> None:
    assert Routing.of(ROUTERS["mixtral"]) == Routing(2)
    assert Routing.of(ROUTERS["deepseek-v3-groups"]) == Routing(2, 2, 1)
    assert (Routing(8, 8, 4).fewest, Routing(8, 8, 2).fewest, Routing(8).fewest) == (16, 32, 8)
    assert Routing(2, 4, 4).fewest == 8  # two of each group are compared
