"""The corrected weight, compared with least squares over the tokens."""

import pytest
import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError, ShapeError
from worker.pruning.methods.correction import corrected_weight
from worker.pruning.stats.cross_moments import CrossMoments
from worker.pruning.stats.gram import Gram

TOKENS, WIDTH, OUT = 500, 12, 5


def _setting() -> tuple[Tensor, Tensor, Tensor]:
    """Return a weight, and its inputs in the pruned and in the dense model."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(WIDTH, WIDTH, generator=generator)
    dense = torch.randn(TOKENS, WIDTH, generator=generator) @ mixing
    pruned = dense + 0.3 * torch.randn(TOKENS, WIDTH, generator=generator)
    return torch.randn(OUT, WIDTH, generator=generator), pruned, dense


def _statistics(pruned: Tensor, dense: Tensor) -> tuple[Gram, Tensor]:
    moments = CrossMoments()
    for one, other in zip(torch.split(pruned, 130), torch.split(dense, 130), strict=True):
        moments.add(one)
        moments.add_dense(one, other)
    cross = moments.cross()
    assert cross is not None
    return moments.gram(), cross


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_it_is_the_damped_least_squares_fit_of_the_blended_outputs(share: float) -> None:
    weight, pruned, dense = _setting()
    gram, cross = _statistics(pruned, dense)

    got = corrected_weight(weight, gram, cross, share)

    target = (1 - share) * pruned @ weight.T + share * dense @ weight.T
    pull = (0.01 * float(gram.sq_mean.mean()) * TOKENS) ** 0.5  # damping, as tokens of its own
    rows = torch.cat([pruned, pull * torch.eye(WIDTH)]).double()
    best = torch.linalg.lstsq(rows, torch.cat([target, pull * weight.T]).double()).solution.T
    torch.testing.assert_close(got, best.float(), rtol=1e-4, atol=1e-5)


def test_a_weight_that_was_pruned_before_is_blended_with_the_dense_one() -> None:
    weight, pruned, dense = _setting()
    gram, cross = _statistics(pruned, dense)
    half = weight * (torch.arange(WIDTH) % 2)

    got = corrected_weight(half, gram, cross, 0.3, dense=weight)

    target = 0.7 * pruned @ half.T + 0.3 * dense @ weight.T
    pull = (0.01 * float(gram.sq_mean.mean()) * TOKENS) ** 0.5  # damping, as tokens of its own
    rows = torch.cat([pruned, pull * torch.eye(WIDTH)]).double()
    best = torch.linalg.lstsq(rows, torch.cat([target, pull * half.T]).double()).solution.T
    torch.testing.assert_close(got, best.float(), rtol=1e-4, atol=1e-5)


def test_equal_inputs_in_both_models_leave_the_weight_unchanged() -> None:
    weight, pruned, _ = _setting()
    got = corrected_weight(weight, *_statistics(pruned, pruned), 1.0)
    torch.testing.assert_close(got, weight, rtol=1e-5, atol=1e-5)


def test_weights_of_a_feature_that_is_dead_in_the_pruned_stream_stay_finite() -> None:
    weight, pruned, dense = _setting()
    pruned[:, 3] = 0
    assert corrected_weight(weight, *_statistics(pruned, dense), 1.0).isfinite().all()


def test_without_a_pair_for_every_input_there_are_no_cross_moments() -> None:
    _, pruned, dense = _setting()
    moments = CrossMoments()
    moments.add(pruned)
    assert moments.cross() is None
    moments.add_dense(pruned[:5], dense[:5])
    assert moments.cross() is None


def test_inputs_of_other_tokens_are_refused() -> None:
    _, pruned, dense = _setting()
    with pytest.raises(ShapeError, match=r"\(500, 12\) but dense inputs \(499, 12\)"):
        CrossMoments().add_dense(pruned, dense[1:])


def test_infinite_dense_inputs_are_refused() -> None:
    _, pruned, dense = _setting()
    dense[7, 3] = torch.inf
    with pytest.raises(NotFiniteError, match="dense inputs"):
        _statistics(pruned, dense)
