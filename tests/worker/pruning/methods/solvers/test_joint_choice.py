from itertools import combinations

import pytest
import torch

from worker.pruning.methods.solvers.joint_choice import joint_keep


@pytest.mark.parametrize(("kept", "group"), [(2, 4), (1, 4), (4, 8), (3, 3)])
def test_the_set_of_least_loss_is_removed(kept: int, group: int) -> None:
    generator = torch.Generator().manual_seed(group)
    mixing = torch.randn(group, group, generator=generator)
    inverse = mixing @ mixing.T + torch.eye(group)
    weight = torch.randn(25, group, generator=generator)

    keep = joint_keep(weight, inverse, kept)

    assert (keep.sum(1) == kept).all()
    sets = [list(one) for one in combinations(range(group), group - kept)]
    for row, values in enumerate(weight.double()):
        losses = [
            float(values[one] @ torch.linalg.inv(inverse.double()[one][:, one]) @ values[one])
            for one in sets
        ]
        assert (~keep[row]).nonzero().flatten().tolist() == sets[losses.index(min(losses))]


def test_two_weights_that_make_up_for_each_other_are_not_removed_together() -> None:
    hessian = torch.eye(4)
    hessian[1, 2] = hessian[2, 1] = 0.99
    weight = torch.tensor([[1.0, 0.9, 0.9, 1.0]])
    single = weight.square() / torch.linalg.inv(hessian).diagonal()
    assert single.argsort()[0, :2].sort().values.tolist() == [1, 2]
    keep = joint_keep(weight, torch.linalg.inv(hessian), 2)
    assert keep[0, 1:3].sum() == 1


def test_of_equal_losses_the_first_set_is_removed() -> None:
    assert (
        joint_keep(torch.zeros(2, 4), torch.eye(4), 2).tolist() == [[False, False, True, True]] * 2
    )
