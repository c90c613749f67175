"""The block-by-block gradients, compared with autograd through the whole model."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.errors import NotFiniteError
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.methods.registry import get_scorer
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import TokenLoss
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.workload import Propagation
from worker.pruning.stats.gradient_norms import GradientNorms
from worker.pruning.sweep.measurement.gradient_pass import BackwardPass, gradient_norms
from worker.pruning.sweep.recipe.recipe import Recipe

TOKENS = 16
BATCHES = [random_ids(2, TOKENS, seed=1), random_ids(1, TOKENS, seed=2)]


@torch.no_grad()
def _measure(
    meta_model: MetaModel,
    folder: Path,
    propagation: Propagation = "fused",
    loss: TokenLoss = token_loss,
) -> GradientNorms:
    recipe = Recipe(get_scorer("gblm"), Unstructured(0.5, "row"), propagation)
    block_inputs = BlockInputs(meta_model)
    with meta_model.loaded_embeddings():
        block_inputs.detect_output_format()
    folder.mkdir()
    backward = BackwardPass(meta_model, block_inputs, loss)
    return gradient_norms(backward, recipe, BATCHES, folder)


def _whole_model(folder: Path, prefix: str) -> dict[str, Tensor]:
    """Return the norm over windows of each block parameter's gradient."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    squares: dict[str, Tensor] = {}
    for ids in torch.split(torch.cat(BATCHES), 1):
        model.zero_grad()
        logits = model(ids, use_cache=False).logits
        torch.autograd.backward(token_loss(logits[0, :-1], ids[0, 1:]).mean())
        for name, parameter in model.named_parameters():
            if name.startswith(prefix) and parameter.grad is not None:
                own = parameter.grad.square()
                squares[name] = squares[name] + own if name in squares else own
    return {name: square.sqrt() for name, square in squares.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_block_by_block_gradients_are_those_of_the_whole_model(tmp_path: Path, family: str) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES[family])
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))

    norms = _measure(meta_model, tmp_path / "norms")

    want = _whole_model(folder, meta_model.prefix)
    for index, block in enumerate(meta_model.blocks):
        got = norms.read(index).norms
        assert got.keys() == {layer.weight_name for layer in linear_layers(block)}
        for name, norm in got.items():
            whole = want[f"{meta_model.block_name(index)}.{name}"]
            apart = norm / 100 - whole
            assert apart.norm() < 1e-4 * whole.norm(), name
    assert not any(parameter.requires_grad for parameter in meta_model.model.parameters())
    assert not [path for path in (tmp_path / "norms").iterdir() if path.is_dir()]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_gives_nearly_the_same_norms(tmp_path: Path, dtype: torch.dtype) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES["llama"])
    exact = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    want = _measure(exact, tmp_path / "exact").read(0).norms

    half = MetaModel.open(folder, dtype, torch.device("cpu"))
    got = _measure(half, tmp_path / "half").read(0).norms

    for name, norm in got.items():
        assert norm.dtype == torch.float32
        assert (norm - want[name]).norm() < 0.1 * want[name].norm(), name


def test_for_reference_propagation_norms_are_rounded_to_fp16_as_published(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES["llama"])
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))

    exact = _measure(meta_model, tmp_path / "exact").read(1).norms
    rounded = _measure(meta_model, tmp_path / "rounded", "reference").read(1).norms

    for name, norm in rounded.items():
        torch.testing.assert_close(norm.half().float(), norm)
        torch.testing.assert_close(norm, exact[name], rtol=1e-3, atol=4e-6)
        assert not torch.equal(norm, exact[name])


def test_a_norm_beyond_fp16_is_its_largest_number(tmp_path: Path) -> None:
    norms = GradientNorms(tmp_path, torch.float16, windows=4)
    norms.write(0, {"weight": torch.tensor([[1e9, 2.0]])})
    read = norms.read(0)
    assert torch.equal(read.norms["weight"], torch.tensor([[65504.0, 2.0]]))
    assert read.windows == 4


def test_a_gradient_that_is_not_finite_is_refused_with_the_name_of_its_weight(
    tmp_path: Path,
) -> None:
    def broken(logits: Tensor, targets: Tensor) -> Tensor:
        return token_loss(logits, targets) * torch.inf

    folder = write_model(tmp_path / "dense", FAMILIES["llama"])
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    with pytest.raises(NotFiniteError, match=r"gradient in model\.layers\.2\.\w+"):
        _measure(meta_model, tmp_path / "norms", loss=broken)
