import pytest
import torch

from worker.pruning.stats.input_moments import InputMoments, VarianceMoments


def test_batches_add_up_to_the_mean_square_of_all_tokens() -> None:
    inputs = torch.randn(3, 1500, 4, generator=torch.Generator().manual_seed(0))
    moments = InputMoments()
    for batch in inputs:
        moments.add(batch)
    torch.testing.assert_close(moments.sq_mean(), inputs.square().mean((0, 1)))
    assert moments.tokens == 4500


def test_half_precision_inputs_do_not_overflow() -> None:
    moments = InputMoments()
    moments.add(torch.full((8, 2), 60_000.0, dtype=torch.float16))
    torch.testing.assert_close(moments.sq_mean(), torch.full((2,), 59_994.0**2), rtol=1e-3, atol=0)


def test_moments_without_inputs_have_no_mean_square() -> None:
    with pytest.raises(ValueError, match="no inputs"):
        InputMoments().sq_mean()


def test_the_mean_is_over_all_tokens_and_the_variance_within_each_window() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(3, 50, 4, generator=generator) + torch.arange(3.0)[:, None, None]
    moments = VarianceMoments()
    moments.add(inputs[:2])
    moments.add(inputs[2])
    torch.testing.assert_close(moments.mean(), inputs.mean((0, 1)))
    torch.testing.assert_close(moments.sq_mean(), inputs.square().mean((0, 1)))
    torch.testing.assert_close(moments.variance(), inputs.var(1, correction=0).mean(0))
    assert (moments.tokens, moments.windows, moments.window_tokens) == (150, 3, 50)


def test_moments_without_inputs_have_no_mean_or_variance() -> None:
    with pytest.raises(ValueError, match="no inputs"):
        VarianceMoments().mean()
