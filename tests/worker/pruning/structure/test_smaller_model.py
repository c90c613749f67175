"""The smaller folder computes what the model with zeroed units computes, in plain transformers."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.structure.removals import (
    CONFIGS,
    NARROWED,
    Removed,
    check_cut,
    logits,
    removed,
    removing,
)
from tests.worker.pruning.sweeps import tensors
from worker.pruning.base.durable_files import sha256
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Adapt, Measure, Pgp
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.removal import Removal
from worker.pruning.structure.units import ranges_of

RATIO = 0.2


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Removed:
    """A Llama without some channels, and with repaired readers."""
    folder = tmp_path_factory.mktemp("llama")
    dense = write_model(folder / "dense", FAMILIES["llama"])
    return removed(dense, folder, removing(Neurons(RATIO)))


@pytest.mark.parametrize("family", NARROWED)
def test_the_smaller_model_has_the_logits_of_the_model_with_zeroed_channels(
    tmp_path: Path, family: str
) -> None:
    dense = write_model(tmp_path / "dense", CONFIGS[family])
    found = removed(dense, tmp_path, removing(Neurons(RATIO, repairs=False)))
    check_cut(dense, found)


@pytest.mark.parametrize("measure", [Adapt(), Pgp(steps=2, windows=4, tokens=16, scored=8)])
@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt-oss-interleaved"])
def test_the_smaller_model_has_the_logits_of_the_model_without_the_chosen_units(
    tmp_path: Path, family: str, measure: Measure
) -> None:
    dense = write_model(tmp_path / "dense", CONFIGS[family])
    recipe = removing(MeasuredUnits(0.3, measure, repairs=False))
    found = removed(dense, tmp_path, recipe, random_ids(24, 16, seed=1))
    check_cut(dense, found)


def test_a_repaired_model_is_cut_like_an_unrepaired_one(llama: Removed) -> None:
    whole, smaller = logits(llama.whole), logits(llama.smaller)
    torch.testing.assert_close(smaller, whole, rtol=0, atol=1e-5 * float(whole.abs().max()))


@pytest.mark.parametrize("repairs", [False, True])
def test_removing_channels_that_are_always_zero_changes_no_logit(
    tmp_path: Path, repairs: bool
) -> None:
    model = AutoModelForCausalLM.from_pretrained(write_model(tmp_path / "all", FAMILIES["llama"]))
    idle = torch.arange(0, 48, 3)
    for layer in model.model.layers:
        layer.mlp.up_proj.weight.data[idle] = 0  # so that act(gate) * up is 0
    model.save_pretrained(tmp_path / "dense")

    found = removed(tmp_path / "dense", tmp_path, removing(Neurons(RATIO, repairs=repairs)))

    expected = [(units.units, units.count) for block in found.blocks for units in block.removed]
    assert expected == [(48, len(idle))] * 3
    assert [block.removed[0].ranges for block in found.blocks] == [ranges_of(idle)] * 3
    before = logits(tmp_path / "dense")
    torch.testing.assert_close(
        logits(found.smaller), before, rtol=0, atol=1e-5 * float(before.abs().max())
    )


def test_the_smaller_model_generates_text(llama: Removed) -> None:
    model = AutoModelForCausalLM.from_pretrained(llama.smaller)
    made = model.generate(random_ids(1, 4), max_new_tokens=4, do_sample=False)
    assert made.shape == (1, 8)
    assert model.config.intermediate_size == 32
    assert model.model.layers[0].mlp.down_proj.weight.shape == (32, 32)


def test_only_the_changed_fields_of_the_config_are_changed(llama: Removed) -> None:
    before = json.loads((llama.whole / "config.json").read_text())
    after = json.loads((llama.smaller / "config.json").read_text())
    assert after == before | {"intermediate_size": 32}


def test_interrupted_writing_starts_again_and_ends_with_the_same_bytes(
    llama: Removed, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    again.mkdir()
    steps = llama.model.write(again, tmp_path)
    assert [next(steps), next(steps)] == [0, 1]
    steps.close()
    shards = run_to_end(llama.model.write(again, tmp_path))
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in llama.smaller.iterdir()
    }
    assert [shard.sha256 for shard in shards] == [sha256(again / shard.name) for shard in shards]


@pytest.mark.parametrize(
    ("family", "removal"),
    [
        *((family, Neurons(RATIO, repairs=False)) for family in NARROWED),
        ("qwen3", MeasuredUnits(0.3, Adapt(), repairs=False)),
        ("llama", Depth(0.33)),
    ],
)
def test_the_weights_of_a_smaller_model_are_put_back_into_the_whole_one(
    tmp_path: Path, family: str, removal: Removal
) -> None:
    dense = write_model(tmp_path / "dense", CONFIGS[family])
    found = removed(dense, tmp_path, removing(removal), random_ids(24, 16, seed=1))
    before = {name: value == 0 for name, value in tensors(found.whole).items()}
    for path in found.smaller.glob("*.safetensors"):
        trained = {name: value * 1.1 for name, value in load_file(path).items()}
        save_file(trained, path, metadata={"format": "pt"})

    smaller = MetaModel.open(found.smaller, torch.float32, torch.device("cpu"))
    out = tmp_path / "restored"
    out.mkdir()
    run_to_end(found.model.restore(smaller, out, tmp_path))

    (out / "config.json").write_bytes((found.whole / "config.json").read_bytes())
    expected = logits(found.smaller)
    torch.testing.assert_close(
        logits(out), expected, rtol=0, atol=1e-5 * float(expected.abs().max())
    )
    after = {name: value == 0 for name, value in tensors(out).items()}
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
