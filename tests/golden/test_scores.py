"""Our scores give the masks and perplexities of the published codes on a small trained model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from worker.evaluation.perplexity import perplexity, token_loss
from worker.pruning.methods.allocation import OwlAllocation, outlier_share, owl
from worker.pruning.methods.patterns import NofM, Pattern, Unstructured
from worker.pruning.methods.registry import get_scorer, get_solver
from worker.pruning.methods.scores import wanda
from worker.pruning.methods.swaps import PUBLISHED_SWAPS
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.stats.input_moments import InputMoments
from worker.pruning.sweep.measurement.gradient_pass import BackwardPass, gradient_norms
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe.recipe import Allocation, Recipe
from worker.pruning.sweep.results import PruningResult

HERE = Path(__file__).parent
MODEL = HERE / "stories260k"
DENSE = 7.881838
OUTLIERS = [0.022819562147, 0.023503707627, 0.016596045198, 0.014940854520, 0.007989053672]
OWL_SPARSITIES = [0.641735419630, 0.634679943101, 0.705917496444, 0.722987197724, 0.794679943101]


def _windows() -> dict[str, torch.Tensor]:
    ids = np.load(HERE / "ids.npz")
    return {key: torch.from_numpy(ids[key].astype(np.int64)).view(-1, 128) for key in ids}


@pytest.fixture(scope="module")
def dense_losses() -> list[float]:
    """The loss of the dense model on each window, as transformers computes it."""
    model, windows = AutoModelForCausalLM.from_pretrained(MODEL).eval(), _windows()["test"]
    with torch.no_grad():
        one_by_one = (windows[number, None] for number in range(len(windows)))
        return [float(model(ids, labels=ids).loss) for ids in one_by_one]


def _sweep(out: Path, recipe: Recipe, dense_losses: list[float] | None = None) -> PruningResult:
    windows = _windows()
    ids = (windows["calib"], windows["test"])
    meta_model = MetaModel.open(MODEL, torch.float32, torch.device("cpu"))
    blocks = ModelPruner(meta_model, recipe, *ids, out, token_loss, dense_losses=dense_losses).run()
    while True:
        try:
            next(blocks)
        except StopIteration as end:
            result: PruningResult = end.value
            return result


def _reference(
    method: str | None,
    pattern: Pattern,
    solver: str | None = None,
    allocation: Allocation = "uniform",
) -> Recipe:
    return Recipe(
        get_scorer(method) if method else None,
        pattern,
        "reference",
        get_solver(solver, as_published=True) if solver else None,
        allocation,
    )


@pytest.mark.parametrize(
    ("name", "recipe", "pruned"),
    [
        ("zpruner_0.5", _reference("zpruner", Unstructured(0.5)), 35.111947),
        ("magnitude_0.5", _reference("magnitude", Unstructured(0.5)), 68.107768),
        ("ria_0.5", _reference("ria", Unstructured(0.5)), 40.386358),
        ("wanda_0.5", _reference("wanda", Unstructured(0.5, "row")), 30.175007),
        ("wanda_2of4", _reference("wanda", NofM(2, 4)), 94.976499),
        ("gblm_0.5_l2", _reference("gblm", Unstructured(0.5, "row")), 32.054261),
        (
            "dsnot_2of4_c5",
            replace(_reference("wanda", NofM(2, 4)), swaps=replace(PUBLISHED_SWAPS, cycles=5)),
            98.202576,
        ),
        (
            "owl_wanda_0.7",
            _reference("wanda", Unstructured(0.7, "row"), allocation=OwlAllocation()),
            137.808177,
        ),
    ],
)
def test_reference_propagation_gives_the_masks_and_perplexity_of_the_authors(
    tmp_path: Path, dense_losses: list[float], name: str, recipe: Recipe, pruned: float
) -> None:
    # The first measures the dense model itself; for the others its losses are known.
    result = _sweep(tmp_path, recipe, None if name == "zpruner_0.5" else dense_losses)

    golden, ours = np.load(HERE / f"{name}.npz"), Checkpoint.open(tmp_path)
    masks = [name for name in golden if name.endswith(".weight")]
    for parameter in masks:
        zero = ours.read(parameter).numpy() == 0
        removed = np.unpackbits(golden[parameter], count=zero.size).reshape(zero.shape) == 1
        assert (zero == removed).all(), parameter
    assert len(masks) == 35
    _assert_perplexities(result, pruned)


@pytest.mark.parametrize(
    ("name", "method", "pruned"),
    [("sparsegpt_0.5", None, 30.323792), ("zpruner_0.5_recon", "zpruner", 26.425350)],
)
def test_reference_propagation_gives_the_solved_weights_of_the_authors(
    tmp_path: Path, dense_losses: list[float], name: str, method: str | None, pruned: float
) -> None:
    recipe = _reference(method, Unstructured(0.5), "sparsegpt")
    result = _sweep(tmp_path, recipe, dense_losses)

    # The last block's weights depend on all earlier blocks.
    golden, ours = np.load(HERE / "solvers_block_4.npz"), Checkpoint.open(tmp_path)
    stored = [key for key in golden if key.startswith(f"{name}.")]
    for key in stored:
        want = torch.from_numpy(golden[key])
        got = ours.read(f"model.layers.4.{key.removeprefix(f'{name}.')}")
        assert torch.equal(got == 0, want == 0), key
        assert (got - want).norm() < 1e-5 * want.norm(), key
    assert len(stored) == 7
    _assert_perplexities(result, pruned)


def _assert_perplexities(result: PruningResult, pruned: float) -> None:
    assert result.dense_loss is not None
    assert result.pruned_loss is not None
    assert perplexity(result.dense_loss) == pytest.approx(DENSE, rel=1e-5)
    assert perplexity(result.pruned_loss) == pytest.approx(pruned, rel=1e-5)


@torch.no_grad()
def test_gradients_are_those_of_the_authors_up_to_rounding_to_fp16(tmp_path: Path) -> None:
    meta_model = MetaModel.open(MODEL, torch.float32, torch.device("cpu"))
    block_inputs, golden = BlockInputs(meta_model), np.load(HERE / "gblm_0.5_l2.npz")
    with meta_model.loaded_embeddings():
        block_inputs.detect_output_format()
    recipe = _reference("gblm", Unstructured(0.5, "row"))
    backward = BackwardPass(meta_model, block_inputs, token_loss)

    ours = gradient_norms(backward, recipe, [_windows()["calib"]], tmp_path).read(4)

    for name, got in ours.norms.items():
        want = torch.from_numpy(golden[f"model.layers.4.{name}::grad"]).float()
        torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-6)
        assert (got.half() == want.half()).float().mean() > 0.99, name
    assert len(ours.norms) == 7


@torch.no_grad()
def test_owl_gives_each_block_the_sparsity_of_the_authors() -> None:
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    layers = [linear_layers(block) for block in model.model.layers]
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
