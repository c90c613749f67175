"""Recoveries of models from which units or blocks were removed."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from tests.models import VOCABULARY, write_model
from tests.worker.pruning.structure.removals import CONFIGS, Removed, removed, removing
from tests.worker.pruning.sweeps import tensors
from tests.worker.recovery.recoveries import (
    CPU,
    EVALUATION,
    HELD_OUT,
    TRAINING,
    finish,
    recovery_of,
)
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.errors import RecoveryError
from worker.pruning.base.generators import run_to_end
from worker.pruning.base.shapes import ModelShape
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.removal import Removal
from worker.pruning.structure.smaller_config import smaller_config
from worker.recovery.recover import ModelRecovery
from worker.recovery.settings import Kind
from worker.recovery.shapes import recovery_shape, shape_of_pair

REMOVALS = [Neurons(0.4), Depth(0.34)]


def opened(folder: Path) -> MetaModel:
    return MetaModel.open(folder, torch.float32, CPU)


def open_recovery(dense: Path, pruned: Path, out: Path, kind: Kind = "masked") -> ModelRecovery:
    out.mkdir(exist_ok=True)
    return ModelRecovery(
        opened(dense),
        opened(pruned),
        recovery_of(kind),
        None,
        TRAINING,
        HELD_OUT,
        EVALUATION,
        out,
        token_loss,
        seed=0,
    )


def exact(shape: ModelShape) -> ModelShape:
    """Return a shape without what is only estimated before the removal."""
    blocks = (
        replace(block, parameters=replace(block.parameters, largest=0, joined_bytes=0))
        for block in shape.blocks
    )
    return replace(shape, blocks=tuple(blocks))


@pytest.fixture(scope="module")
def without_units(
    dense: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Removal], Removed]:
    """Remove each once from the model that has learned something."""

    @cache
    def without(removal: Removal) -> Removed:
        return removed(dense, tmp_path_factory.mktemp("removed"), removing(removal), TRAINING[:4])

    return without


@pytest.mark.parametrize("removal", REMOVALS)
def test_a_smaller_model_learns_what_the_model_with_zeros_learns(
    dense: Path,
    without_units: Callable[[Removal], Removed],
    tmp_path: Path,
    removal: Removal,
) -> None:
    found = without_units(removal)
    with_zeros = finish(open_recovery(dense, found.whole, tmp_path / "zeros"))

    small = finish(open_recovery(dense, found.smaller, tmp_path / "out"))

    assert small.held_out_before == pytest.approx(with_zeros.held_out_before, rel=1e-5)
    assert small.held_out_after == pytest.approx(with_zeros.held_out_after, rel=1e-3)
    assert small.held_out_after < 0.97 * small.held_out_before
    assert small.evaluation_loss_after == pytest.approx(with_zeros.evaluation_loss_after, rel=1e-3)
    (tmp_path / "restored").mkdir()
    trained = MetaModel.open(found.smaller, torch.float32, CPU, weights=tmp_path / "out")
    run_to_end(found.model.restore(trained, tmp_path / "restored", tmp_path))
    expected = tensors(tmp_path / "zeros")
    for name, value in tensors(tmp_path / "restored").items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=5e-3)


@pytest.mark.parametrize("kind", ["mask_lora", "spp"])
def test_adapters_of_a_smaller_model_are_trained(
    dense: Path, without_units: Callable[[Removal], Removed], tmp_path: Path, kind: Kind
) -> None:
    found = without_units(Neurons(0.4))
    result = finish(open_recovery(dense, found.smaller, tmp_path / "out", kind))
    assert result.held_out_after < result.held_out_before
    before = tensors(found.smaller)
    assert {name: value.shape for name, value in tensors(tmp_path / "out").items()} == {
        name: value.shape for name, value in before.items()
    }


@pytest.mark.parametrize(
    "family", ["llama-tied", "gpt2", "qwen2-moe-shared", "gpt-oss-interleaved"]
)
@pytest.mark.parametrize("removal", [Neurons(0.2), Depth(0.34)])
def test_the_shapes_that_are_left_are_known_before_the_removal(
    tmp_path: Path, family: str, removal: Removal
) -> None:
    dense = write_model(tmp_path / "dense", CONFIGS[family])
    found = removed(dense, tmp_path, removing(removal))
    meta_model = opened(dense)
    planned = recovery_shape(meta_model, removing(removal))
    written = shape_of_pair(meta_model, opened(found.smaller))
    assert planned.smaller is not None
    assert written.smaller is not None
    assert exact(planned.smaller) == exact(written.smaller)
    assert replace(planned, smaller=None) == recovery_shape(meta_model)


def test_a_model_with_another_vocabulary_is_refused(dense: Path, tmp_path: Path) -> None:
    config = smaller_config(CONFIGS["llama"], {"vocab_size": VOCABULARY + 1})
    other = write_model(tmp_path / "other", config)
    with pytest.raises(RecoveryError, match="have different parameters"):
        open_recovery(dense, other, tmp_path / "out")
