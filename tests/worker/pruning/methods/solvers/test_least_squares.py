import pytest
import torch

from worker.pruning.base.errors import SolverFailedError
from worker.pruning.methods.solvers import least_squares
from worker.pruning.methods.solvers.least_squares import solve_principal


@pytest.mark.parametrize("batch", [2, 0])
def test_each_row_solves_the_system_of_its_own_members(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(least_squares, "BATCH", batch)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(60, 12, generator=generator)
    matrix, right = inputs.T @ inputs / 60, torch.randn(13, 12, generator=generator)
    members = torch.rand(13, 12, generator=generator) < torch.linspace(0, 1, 13)[:, None]
    assert not members[0].any()

    got = solve_principal(matrix, members, right)

    want = torch.zeros(13, 12)
    for row, inside in enumerate(members):
        want[row, inside] = torch.linalg.solve(matrix[inside][:, inside], right[row, inside])
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


def test_a_system_that_is_not_positive_definite_is_refused() -> None:
    members = torch.ones(1, 2, dtype=torch.bool)
    matrix = torch.tensor([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(SolverFailedError, match="not positive definite"):
        solve_principal(matrix, members, torch.ones(1, 2))


def test_a_system_that_rounding_spoils_is_solved_in_fp64() -> None:
    place = torch.arange(40).float()
    matrix = torch.exp(-(place[:, None] - place).square() / 200) + 2e-7 * torch.eye(40)
    members, right = torch.ones(1, 40, dtype=torch.bool), torch.ones(1, 40)
    got = solve_principal(matrix, members, right)
    want = torch.linalg.solve(matrix.double(), right[0].double()).float()
    torch.testing.assert_close(got[0], want, rtol=1e-3, atol=1e-3)
