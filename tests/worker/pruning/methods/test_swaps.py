import pytest
import torch
from torch import Tensor

from worker.pruning.methods.patterns import NofM, Pattern, Unstructured
from worker.pruning.methods.scores import wanda
from worker.pruning.methods.selection import AsPublished, Selection
from worker.pruning.methods.swaps import PUBLISHED_SWAPS, Swaps
from worker.pruning.stats.input_moments import VarianceMoments

PATTERNS = [NofM(2, 4), NofM(1, 4), Unstructured(0.5, "row"), Unstructured(0.6, "matrix")]


def _layer(out: int, width: int) -> tuple[Tensor, VarianceMoments, Tensor]:
    """Return a weight, its inputs' spread, of which one is constant and one dead, and a score."""
    generator = torch.Generator().manual_seed(out * width)
    inputs = torch.randn(3, 20, width, generator=generator) + torch.linspace(-1, 1, width)
    inputs[:, :, 1], inputs[:, :, 2] = 0.5, 0.0
    spread = VarianceMoments()
    spread.add(inputs)
    weight = torch.randn(out, width, generator=generator)
    return weight, spread, wanda(weight, spread.sq_mean())


def _errors(weight: Tensor, spread: VarianceMoments, keep: Tensor) -> Tensor:
    return (weight * spread.mean() * spread.window_tokens).masked_fill(keep, 0.0).sum(1)


def _by_loop(
    pull: Tensor, ease: Tensor, score: Tensor, keep: Tensor, group: int | None, published: bool
) -> Tensor:
    """Swap in one row, weight by weight: the oracle."""
    keep, error, gone = keep.clone(), float(pull[~keep].sum()), ~keep
    back, out = set[int](), set[int]()
    for _ in range(50):
        sign = 1 if error >= 0 else -1
        offers = [j for j in gone.nonzero().flatten().tolist() if pull[j] * sign > 0]
        offers = sorted((j for j in offers if j not in back), key=lambda j: -abs(ease[j]))
        kept = [j for j in (~gone).nonzero().flatten().tolist() if j not in out]
        if group is None:
            kept = [j for j in kept if pull[j] * sign < 0]
        elif offers:
            kept = [j for j in kept if j // group == offers[0] // group]
        if not offers or not kept or abs(error) <= 0.1:
            break
        coming, going = offers[0], min(kept, key=lambda j: score[j])
        after = error - float(pull[coming]) + float(pull[going])
        if not published and abs(after) >= abs(error):
            break
        if published and group is not None and after * sign <= 0:
            break
        keep[coming], keep[going], error = True, False, after
        back.add(coming)
        out.add(going)
    return keep


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_swaps_of_all_rows_at_once_equal_those_of_each_row_alone(
    pattern: Pattern, published: bool
) -> None:
    weight, spread, by_wanda = _layer(12, 40)
    score = weight.abs()
    selection: Selection = AsPublished(pattern) if published else pattern
    pull = weight * spread.mean() * spread.window_tokens
    ease = pull / spread.variance().clamp(min=torch.finfo(torch.float32).tiny)
    group = pattern.m if isinstance(pattern, NofM) else None
    order = by_wanda if published and group is None else score
    rows = zip(pull, ease, order, selection.keep(score), strict=True)
    want = torch.stack([_by_loop(*row, group, published) for row in rows])

    got = Swaps().keep(weight, spread, selection, score)

    assert torch.equal(got, want)
    assert not torch.equal(got, selection.keep(score))


@pytest.mark.parametrize("width", [4, 8, 64])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_row_keeps_its_count_and_no_error_of_a_mean_grows(
    pattern: Pattern, width: int
) -> None:
    weight, spread, score = _layer(32, width)
    before = pattern.keep(score)

    after = Swaps().keep(weight, spread, pattern, score)

    assert torch.equal(after.sum(1), before.sum(1))
    if isinstance(pattern, NofM):
        assert (after.view(-1, pattern.m).sum(1) == pattern.n).all()
    moved = _errors(weight, spread, after).abs() - _errors(weight, spread, before).abs()
    assert (moved <= 1e-5).all()


def test_groups_keep_their_count_as_published_for_any_number_of_cycles() -> None:
    weight, spread, score = _layer(64, 64)
    keep = Swaps(cycles=500).keep(weight, spread, AsPublished(NofM(2, 4)), score)
    assert (keep.view(-1, 4).sum(1) == 2).all()


def test_a_row_with_an_error_below_the_threshold_is_not_changed() -> None:
    weight, spread, score = _layer(8, 32)
    pattern = Unstructured(0.5, "row")
    keep = Swaps(threshold=1e6).keep(weight, spread, pattern, score)
    assert torch.equal(keep, pattern.keep(score))


def test_the_weight_is_read_in_any_dtype_and_not_changed() -> None:
    weight, spread, score = _layer(8, 32)
    half, pattern = weight.bfloat16(), NofM(2, 4)
    before = half.clone()
    keep = Swaps().keep(half, spread, pattern, score)
    assert torch.equal(half, before)
    assert torch.equal(keep, Swaps().keep(half.float(), spread, pattern, score))


def test_the_published_default_is_attention_alone() -> None:
    names = ["self_attn.q_proj", "attn.c_attn", "attention.dense", "self_attention.query_key_value"]
    assert all(map(PUBLISHED_SWAPS.apply_to, names))
    assert not any(map(PUBLISHED_SWAPS.apply_to, ["mlp.up_proj", "fc1", "mlp.experts.3.w1"]))
    assert Swaps().apply_to("mlp.up_proj")
