"""What the methods' own codes computed on a small trained model."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from worker.evaluation.perplexity import perplexity, token_loss
from worker.pruning.allocation import outlier_share, owl
from worker.pruning.checkpoint import Checkpoint
from worker.pruning.linears import linears
from worker.pruning.methods import get_method
from worker.pruning.moments import InputMoments
from worker.pruning.patterns import NofM, Pattern, Unstructured
from worker.pruning.pipeline import Sweep
from worker.pruning.recipe import Recipe
from worker.pruning.report import SweepResult
from worker.pruning.scores import wanda
from worker.pruning.skeleton import Skeleton

HERE = Path(__file__).parent
MODEL = HERE / "stories260k"
DENSE = 7.881838
OUTLIERS = [0.022819562147, 0.023503707627, 0.016596045198, 0.014940854520, 0.007989053672]
OWL_SPARSITIES = [0.641735419630, 0.634679943101, 0.705917496444, 0.722987197724, 0.794679943101]


def _windows() -> dict[str, torch.Tensor]:
    ids = np.load(HERE / "ids.npz")
    return {key: torch.from_numpy(ids[key].astype(np.int64)).view(-1, 128) for key in ids}


def _sweep(out: Path, recipe: Recipe) -> SweepResult:
    windows = _windows()
    skeleton = Skeleton.open(MODEL, torch.float32, torch.device("cpu"))
    blocks = Sweep(skeleton, recipe, windows["calib"], windows["test"], out, token_loss).run()
    while True:
        try:
            next(blocks)
        except StopIteration as end:
            result: SweepResult = end.value
            return result


@pytest.mark.parametrize(
    ("name", "method", "pattern", "pruned"),
    [
        ("zpruner_0.5", "zpruner", Unstructured(0.5), 35.111947),
        ("magnitude_0.5", "magnitude", Unstructured(0.5), 68.107768),
        ("ria_0.5", "ria", Unstructured(0.5), 40.386358),
        ("wanda_0.5", "wanda", Unstructured(0.5, "row"), 30.175007),
        ("wanda_2of4", "wanda", NofM(2, 4), 94.976499),
    ],
)
def test_reference_propagation_reproduces_the_authors_masks_and_perplexity(
    tmp_path: Path, name: str, method: str, pattern: Pattern, pruned: float
) -> None:
    result = _sweep(tmp_path, Recipe(get_method(method), pattern, "reference"))

    golden, ours = np.load(HERE / f"{name}.npz"), Checkpoint.open(tmp_path)
    # Over whole matrices the codes drop one weight more than asked, and nothing else.
    more = 1 if pattern == Unstructured(0.5) else 0
    for parameter in golden:
        zero = ours.read(parameter).numpy() == 0
        removed = np.unpackbits(golden[parameter], count=zero.size).reshape(zero.shape) == 1
        assert (zero != removed).sum() == more, parameter
        assert not (zero & ~removed).any(), parameter
    assert len(golden.files) == 35
    assert result.dense_loss is not None
    assert result.pruned_loss is not None
    assert perplexity(result.dense_loss) == pytest.approx(DENSE, rel=1e-5)
    # That one weight in each of 35 small matrices moves the perplexity by up to 1 %.
    assert perplexity(result.pruned_loss) == pytest.approx(pruned, rel=0.012 if more else 1e-5)


@torch.no_grad()
def test_owl_gives_each_block_the_authors_sparsity() -> None:
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    layers = [linears(block) for block in model.model.layers]
    moments = {layer.module: InputMoments() for block in layers for layer in block}
    for module, moment in moments.items():
        module.register_forward_pre_hook(lambda _, args, moment=moment: moment.add(args[0]))
    model(_windows()["calib"])

    shares = [
        outlier_share(
            wanda(layer.oriented(layer.weight), moments[layer.module].sq_mean()) for layer in block
        )
        for block in layers
    ]

    assert shares == pytest.approx(OUTLIERS, rel=1e-6)
    assert owl(shares, 0.7) == pytest.approx(OWL_SPARSITIES, abs=1e-9)
