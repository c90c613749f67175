import pytest
import torch
from torch import nn

from tests.zpruner.training.sparse_models import PREFIXES, sparse_model
from zpruner.training import MaskError, zero_masks


def linear(weight: list[list[float]]) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight))
    layer.weight.data = torch.tensor(weight)
    layer.bias.data.zero_()
    return layer


def test_a_mask_is_true_where_a_weight_is_kept_and_both_zeros_are_zero() -> None:
    (name, mask), *others = zero_masks(linear([[1.0, 0.0], [-0.0, -2.0]])).items()
    assert (name, others) == ("weight", [])
    assert mask.tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize(("min_sparsity", "names"), [(0.25, ["weight"]), (0.26, [])])
def test_a_parameter_is_sparse_from_the_threshold_on(min_sparsity: float, names: list[str]) -> None:
    assert list(zero_masks(linear([[1.0, 0.0], [3.0, 2.0]]), min_sparsity)) == names


def test_a_matrix_that_is_zero_as_a_whole_is_not_sparse() -> None:
    assert zero_masks(linear([[0.0, 0.0]])) == {}


def test_the_matrices_of_the_blocks_of_a_pruned_model_are_sparse() -> None:
    model = sparse_model("llama-tied")
    matrices = [
        name
        for name, parameter in model.named_parameters()
        if name.startswith(PREFIXES) and parameter.ndim == 2
    ]
    assert list(zero_masks(model)) == matrices
    assert len(matrices) == 21


@pytest.mark.parametrize("min_sparsity", [0.0, 1.1, -1.0])
def test_a_threshold_out_of_its_bounds_is_refused(min_sparsity: float) -> None:
    with pytest.raises(MaskError, match=f"min_sparsity is {min_sparsity}; choose a share"):
        zero_masks(linear([[1.0]]), min_sparsity)
