"""Our scores of experts are those of REAP's published code, which runs on the dense model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.golden.sine_mixture import EXPERTS, windows, write_sine_mixture
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.generators import run_to_end
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.experts.removing import RemovingExperts
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import BlockResult

GOLDEN = np.load(Path(__file__).with_name("reap_0.5.npz"))


@pytest.mark.parametrize("score", ["reap", "frequency"])
def test_scores_and_removed_experts_are_those_of_the_published_code(
    tmp_path: Path, score: str
) -> None:
    meta_model = MetaModel.open(
        write_sine_mixture(tmp_path / "dense"), torch.float32, torch.device("cpu")
    )
    settings = ExpertSettings(
        0.5, score="reap" if score == "reap" else "frequency", from_dense=True
    )
    recipe = Recipe(None, Unstructured(0.0), stages=(RemovingExperts(settings),))
    (tmp_path / "out").mkdir()
    ids = windows()
    pruner = ModelPruner(meta_model, recipe, ids, ids[:0], tmp_path / "out", token_loss)
    blocks: list[BlockResult] = []
    run_to_end(pruner.run(), blocks.append)
    assert len(blocks) == len(GOLDEN[score])
    for block, expected in zip(blocks, GOLDEN[score], strict=True):
        assert block.experts is not None
        assert block.experts.scores == pytest.approx(expected.tolist(), rel=1e-4)
        assert list(block.experts.tokens) == GOLDEN["frequency"][block.index].tolist()
        if score == "reap":
            gone = set(range(EXPERTS)) - set(block.experts.kept)
            assert sorted(gone) == GOLDEN["removed"][block.index].tolist()
