"""The method's own code, on a small trained model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from worker.evaluation.perplexity import perplexity, token_loss
from worker.pruning.checkpoint import Checkpoint
from worker.pruning.methods import get_method
from worker.pruning.patterns import Unstructured
from worker.pruning.pipeline import Recipe, Sweep
from worker.pruning.report import SweepResult
from worker.pruning.skeleton import Skeleton

HERE = Path(__file__).parent
MODEL = HERE / "stories260k"
DENSE, PRUNED = 7.881838, 35.111947


def _sweep(out: Path, recipe: Recipe) -> SweepResult:
    ids = np.load(HERE / "ids.npz")
    windows = {key: torch.from_numpy(ids[key].astype(np.int64)).view(-1, 128) for key in ids}
    skeleton = Skeleton.open(MODEL, torch.float32, torch.device("cpu"))
    blocks = Sweep(skeleton, recipe, windows["calib"], windows["test"], out, token_loss).run()
    while True:
        try:
            next(blocks)
        except StopIteration as end:
            result: SweepResult = end.value
            return result


def test_reference_propagation_reproduces_the_authors_masks_and_perplexity(tmp_path: Path) -> None:
    result = _sweep(tmp_path, Recipe(get_method("zpruner"), Unstructured(0.5), "reference"))

    golden, ours = np.load(HERE / "zpruner_0.5.npz"), Checkpoint.open(tmp_path)
    for name in golden:
        weight = ours.read(name).numpy()
        removed = np.unpackbits(golden[name], count=weight.size).reshape(weight.shape).astype(bool)
        assert ((weight == 0) == removed).mean() >= 0.999, name
    assert len(golden.files) == 35
    assert result.dense_loss is not None
    assert result.pruned_loss is not None
    assert perplexity(result.dense_loss) == pytest.approx(DENSE, rel=1e-5)
    assert perplexity(result.pruned_loss) == pytest.approx(PRUNED, rel=0.005)
