import pytest
import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError, ShapeError, SolverFailedError
from worker.pruning.stats.gram import Gram, GramMoments


def _inputs(tokens: int, width: int) -> Tensor:
    return torch.randn(tokens, width, generator=torch.Generator().manual_seed(0))


def _indefinite(lowest: float) -> Tensor:
    """Return a symmetric matrix of mean diagonal near 1 whose smallest eigenvalue is ``lowest``."""
    basis = torch.linalg.qr(_inputs(6, 6)).Q
    matrix: Tensor = basis @ torch.diag(torch.tensor([lowest, 1.0, 1, 1, 1, 2 - lowest])) @ basis.T
    return matrix


@pytest.mark.parametrize("width", [1, 7, 300])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_moments_are_the_mean_outer_product_for_any_shape_of_batches(
    width: int, dtype: torch.dtype
) -> None:
    inputs = _inputs(4099, width).to(dtype)
    moments = GramMoments()
    moments.add(inputs[:4090].view(10, 409, width))
    moments.add(inputs[4090:])

    gram = moments.gram()

    want = (inputs.double().T @ inputs.double() / 4099).float()
    torch.testing.assert_close(gram.matrix, want, rtol=1e-5, atol=1e-5)  # fp32 sums
    assert torch.equal(gram.matrix, gram.matrix.T)
    torch.testing.assert_close(gram.sq_mean, inputs.float().square().mean(0))


def test_moments_from_a_stored_triangle_have_the_same_matrix_and_squares_bit_by_bit() -> None:
    moments = GramMoments()
    for seed in range(3):
        moments.add(torch.randn(701, 5, generator=torch.Generator().manual_seed(seed)) * 3)
    again = GramMoments.from_triangle(moments.triangle(), 5, moments.tokens)
    assert again.tokens == moments.tokens == 2103
    assert torch.equal(again.gram().matrix, moments.gram().matrix)
    assert torch.equal(again.sq_mean(), moments.sq_mean())


def test_large_fp16_inputs_do_not_overflow() -> None:
    moments = GramMoments()
    moments.add(torch.full((100, 4), 1000.0, dtype=torch.float16))
    assert moments.gram().matrix.max() == 1e6


def test_moments_without_inputs_or_with_inputs_of_another_width_raise_an_error() -> None:
    moments = GramMoments()
    with pytest.raises(ValueError, match="no inputs were added"):
        moments.gram()
    moments.add(torch.ones(2, 4))
    with pytest.raises(ShapeError, match="inputs of 5 features after inputs of 4"):
        moments.add(torch.ones(2, 5))


def test_infinite_inputs_raise_an_error() -> None:
    moments = GramMoments()
    moments.add(torch.tensor([[1.0, float("inf")]]))
    with pytest.raises(NotFiniteError, match="Gram matrix"):
        moments.gram()


def test_the_factor_is_upper_and_its_square_is_the_damped_inverse() -> None:
    matrix = _inputs(50, 8).T @ _inputs(50, 8) / 50
    damped = matrix + 0.01 * matrix.diagonal().mean() * torch.eye(8)

    upper = Gram(matrix).inverse_cholesky()

    assert torch.equal(upper, upper.triu())
    torch.testing.assert_close(upper.T @ upper, torch.linalg.inv(damped), rtol=1e-4, atol=1e-5)


def test_the_factor_is_computed_once() -> None:
    gram = Gram(torch.eye(3))
    assert gram.inverse_cholesky() is gram.inverse_cholesky()


def test_a_dead_feature_does_not_change_the_damping_of_the_others() -> None:
    matrix = 1e-6 * torch.eye(4)
    matrix[2, 2] = 0
    upper = Gram(matrix).inverse_cholesky()
    assert upper.isfinite().all()
    torch.testing.assert_close(upper[0, 0], torch.tensor(1.01e-6).rsqrt())


@pytest.mark.parametrize(("lowest", "damping"), [(0.5, 0.01), (-0.05, 0.1), (-0.5, 1.0)])
def test_damping_grows_until_the_matrix_is_positive_definite(lowest: float, damping: float) -> None:
    gram = Gram(_indefinite(lowest))
    assert gram.inverse_cholesky().isfinite().all()
    assert gram.damping == damping


def test_a_matrix_that_no_damping_makes_positive_definite_raises_an_error() -> None:
    matrix = torch.ones(4, 4) * 5 - 4 * torch.eye(4)  # eigenvalues 16 and -4
    with pytest.raises(SolverFailedError, match=r"not positive definite with 1\.0 times"):
        Gram(matrix).inverse_cholesky()
    with pytest.raises(SolverFailedError, match=r"not positive definite with 0\.1 added"):
        Gram(matrix).normalised().inverse(0.1)
    with pytest.raises(SolverFailedError, match="negative on its diagonal"):
        Gram(-matrix).normalised()


def test_normalising_gives_a_unit_diagonal_and_does_not_modify_the_matrix() -> None:
    matrix = _inputs(50, 8).T @ _inputs(50, 8)
    before = matrix.clone()
    gram = Gram(matrix)

    scaled = gram.normalised(0.01)

    torch.testing.assert_close(scaled.matrix.diagonal(), torch.ones(8))
    restored = scaled.matrix * scaled.scale * scaled.scale[:, None]
    torch.testing.assert_close(
        restored, before + 0.01 * before.diagonal().mean() * torch.eye(8), rtol=1e-5, atol=1e-4
    )
    assert torch.equal(matrix, before)
    assert gram.normalised(0.01) is scaled


def test_a_matrix_that_is_not_square_raises_an_error() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 4\)"):
        Gram(torch.ones(3, 4))
