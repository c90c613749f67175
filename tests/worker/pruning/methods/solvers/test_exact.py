"""The exact solver against its formulas, written with loops and explicit inverses in fp64."""

from itertools import combinations

import pytest
import torch
from torch import Tensor

from tests.worker.pruning.layers import least_squares, output_error, random_layer
from worker.pruning.base.errors import PatternError
from worker.pruning.methods.patterns import NofM, Pattern, Scope, Unstructured
from worker.pruning.methods.registry import get_solver
from worker.pruning.methods.solvers.exact import Exact, Variant, variant_of
from worker.pruning.methods.solvers.sparsegpt import sparsegpt
from worker.pruning.stats.gram import Gram

TINY = 1e-7
inverse_of = torch.linalg.inv


def _hessian(gram: Gram, damping: float) -> Tensor:
    matrix = gram.matrix.double()
    return matrix + damping * matrix.diagonal().mean() * torch.eye(len(matrix)).double()


def _remove_at_once(weight: Tensor, hessian: Tensor, keep: Tensor) -> Tensor:
    """Add δw = −w_P ([H⁻¹]_PP)⁻¹ [H⁻¹]_P,: to each row."""
    inverse, result = inverse_of(hessian), weight.clone()
    for row, kept in enumerate(keep):
        gone = ~kept
        penalty = inverse_of(inverse[gone][:, gone])
        result[row] -= weight[row, gone] @ penalty @ inverse[gone]
    return result * keep


def _remove_one_by_one(weight: Tensor, hessian: Tensor, keep: Tensor, columns: range) -> Tensor:
    """Remove the weights of some columns from left to right; those to the right make up for it."""
    result = weight.clone()
    for column in columns:
        inverse = inverse_of(hessian[column:, column:])
        for row in range(len(weight)):
            if not keep[row, column]:
                result[row, column:] -= result[row, column] / inverse[0, 0] * inverse[0]
                result[row, column] = 0
    return result


def _choose(
    weight: Tensor, hessian: Tensor, pattern: Pattern, joint: bool, columns: range
) -> Tensor:
    """Return the mask of some columns."""
    group = slice(columns.start, columns.stop)
    if joint:
        assert isinstance(pattern, NofM)
        inverse = inverse_of(hessian[columns.start :, columns.start :])
        keep = torch.ones(len(weight), len(columns), dtype=torch.bool)
        for row, values in enumerate(weight[:, group]):
            sets = [list(one) for one in combinations(range(pattern.m), pattern.m - pattern.n)]
            losses = [
                float(values[one] @ inverse_of(inverse[one][:, one]) @ values[one]) for one in sets
            ]
            keep[row, sets[losses.index(min(losses))]] = False
        return keep
    single = [weight[:, c] ** 2 / inverse_of(hessian[c:, c:])[0, 0] for c in columns]
    loss = torch.stack(single, 1)
    if isinstance(pattern, NofM):
        return pattern.keep(loss)
    count = [round(len(weight) * end * pattern.sparsity) for end in (group.start, group.stop)]
    order = loss.flatten().argsort()[: count[1] - count[0]]
    return torch.ones(loss.numel(), dtype=torch.bool).index_fill(0, order, False).view_as(loss)


def _written_out(
    weight: Tensor, gram: Gram, pattern: Pattern, variant: str, damping: float
) -> Tensor:
    hessian, dense = _hessian(gram, damping), weight.double()
    now, keep = dense, torch.ones(weight.shape, dtype=torch.bool)
    width, choice, repair = weight.shape[1], variant[0], variant[1]
    group = pattern.m if isinstance(pattern, NofM) else 128
    for start in range(0, width, 128):
        if repair == "m":
            now = _remove_at_once(dense, hessian, keep)
        for first in range(start, min(width, start + 128), group):
            columns = range(first, min(width, first + group))
            chosen = _choose(now, hessian, pattern, choice == "m", columns)
            keep[:, columns.start : columns.stop] = chosen
            now = _remove_one_by_one(now, hessian, keep, columns)
    return (_remove_at_once(dense, hessian, keep) if repair == "m" else now * keep).float()


@pytest.mark.parametrize(
    ("pattern", "variant", "width"),
    [
        (Unstructured(0.5), "ss", 24),
        (Unstructured(0.5), "sm", 24),
        (Unstructured(0.5), "sm", 140),
        (Unstructured(0.7), "sm", 140),
        *((NofM(2, 4), variant, 24) for variant in ("ss", "sm", "ms", "mm")),
        (NofM(2, 4), "sm", 136),
        (NofM(2, 4), "mm", 136),
        (NofM(3, 6), "mm", 24),
        (NofM(1, 4), "ms", 24),
    ],
)
@pytest.mark.parametrize("damping", [0.01, 0.1])
def test_every_variant_is_its_formulas_written_out(
    pattern: Pattern, variant: Variant, width: int, damping: float
) -> None:
    weight, gram = random_layer(4, width, tokens=3 * width)
    want = _written_out(weight, gram, pattern, variant, damping)

    got = Exact(variant)(weight, gram, pattern, None, damping)

    assert torch.equal(got != 0, want != 0)
    torch.testing.assert_close(got, want, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("sparsity", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("scope", ["matrix", "row"])
def test_with_tiny_damping_it_is_least_squares_on_the_kept_columns(
    sparsity: float, scope: Scope
) -> None:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(200, 30, generator=generator).double()
    weight = torch.randn(9, 30, generator=generator).double()
    score = torch.rand(9, 30, generator=generator)
    pattern, gram = Unstructured(sparsity, scope), Gram((inputs.T @ inputs / 200).float())

    got = Exact()(weight, gram, pattern, score, TINY)

    keep = pattern.keep(score)
    for row, kept in enumerate(keep):
        outputs = inputs @ weight[row]
        best = torch.linalg.lstsq(inputs[:, kept], outputs[:, None]).solution[:, 0]
        torch.testing.assert_close(got[row, kept], best.float(), rtol=1e-4, atol=1e-4)
    assert torch.equal(got != 0, keep)


def test_a_given_mask_gets_the_closed_form_solution_with_its_damping() -> None:
    weight, gram = random_layer(9, 40)
    score = weight.abs()
    keep = Unstructured(0.5).keep(score)
    want = least_squares(weight, _hessian(gram, 0.1), keep)
    torch.testing.assert_close(
        Exact()(weight, gram, Unstructured(0.5), score, 0.1), want, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_joint_choice_is_never_above_any_of_the_six(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(50, 4, generator=generator) @ torch.randn(4, 4, generator=generator)
    weight = torch.randn(7, 4, generator=generator)
    gram = Gram(inputs.T @ inputs / 50)

    got = Exact("mm")(weight, gram, NofM(2, 4), None, TINY)

    for pair in combinations(range(4), 2):
        keep = torch.ones(7, 4, dtype=torch.bool).index_fill(1, torch.tensor(pair), False)
        other = least_squares(weight, gram.matrix, keep)
        for row in range(7):
            mine, its = (
                output_error(weight[row : row + 1], one[row : row + 1], gram)
                for one in (got, other)
            )
            assert mine <= its * (1 + 1e-3) + 1e-6


@pytest.mark.parametrize("pattern", [Unstructured(0.5), NofM(2, 4)])
def test_ss_is_sparsegpt(pattern: Pattern) -> None:
    weight, gram = random_layer(8, 64)
    got = Exact("ss")(weight, gram, pattern, None, 0.01)
    assert torch.equal(got, sparsegpt(weight, gram, pattern, None, 0.01))


@pytest.mark.parametrize("pattern", [Unstructured(0.5), Unstructured(0.5, "row"), NofM(2, 4)])
def test_a_wide_layer_gets_the_best_weights_on_its_own_mask(pattern: Pattern) -> None:
    weight, gram = random_layer(3, 1100, tokens=2000)
    got = Exact()(weight, gram, pattern, None, 0.1)
    keep = got != 0
    assert int(keep.sum()) == 1650
    best = least_squares(weight, _hessian(gram, 0.1), keep)
    assert (got - best).norm() < 1e-3 * best.norm()


@pytest.mark.parametrize("pattern", [Unstructured(0.5), NofM(2, 4)])
def test_repairing_all_at_once_leaves_less_error_than_column_by_column(pattern: Pattern) -> None:
    weight, gram = random_layer(40, 64)
    at_once = output_error(weight, Exact("sm")(weight, gram, pattern, None, TINY), gram)
    one_by_one = output_error(weight, Exact("ss")(weight, gram, pattern, None, TINY), gram)
    assert at_once < 0.95 * one_by_one


@pytest.mark.parametrize("variant", ["ms", "mm"])
def test_comparing_sets_takes_a_pattern(variant: Variant) -> None:
    weight, gram = random_layer(3, 8)
    with pytest.raises(PatternError, match="choose N:M, or sm or ss"):
        Exact(variant)(weight, gram, Unstructured(0.5), None, 0.1)


def test_variants_that_repair_column_by_column_are_planned_as_sparsegpt() -> None:
    exact = get_solver("exact")
    planned = {variant: variant_of(exact, variant).name for variant in ("ss", "sm", "ms", "mm")}
    assert planned == {"ss": "sparsegpt", "sm": "exact", "ms": "sparsegpt", "mm": "exact"}
