"""SPP's adapters, compared with an independent writing of the equations."""

import pytest
import torch
from torch import Tensor

from tests.worker.recovery.kinds.layouts import (
    IN,
    OUT,
    AdamByHand,
    half_pruned,
    linear_layout,
    transposed_layout,
)
from worker.recovery.kinds.spp import ScaledWeights

STEPS, SCALE, RATE, DECAY = 5, 2.0, 4e-3, 1e-3


def by_hand(
    weight: Tensor, rows: Tensor, block: int, inputs: Tensor, wanted: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Train y = (W + s·ΔW)x with ΔW = Ā⊙b⊙W for five steps; return A, b and the sum."""
    adam_a, adam_b = AdamByHand(RATE, DECAY), AdamByHand(RATE, DECAY)
    a, b = rows.clone(), torch.zeros(OUT, 1)

    def merged() -> Tensor:
        out = torch.zeros(OUT, IN)
        for i in range(OUT):
            for j in range(IN):
                delta = a[i // block, j] * b[i, 0] * weight[i, j]
                out[i, j] = weight[i, j] + SCALE * delta
        return out

    for _ in range(STEPS):
        error = inputs @ merged().T - wanted  # the loss is half of the sum of its squares
        slope = error.T @ inputs  # [out, in]
        of_a, of_b = torch.zeros_like(a), torch.zeros_like(b)
        for i in range(OUT):
            for j in range(IN):
                of_a[i // block, j] += SCALE * slope[i, j] * b[i, 0] * weight[i, j]
                of_b[i, 0] += SCALE * slope[i, j] * a[i // block, j] * weight[i, j]
        a, b = adam_a.step(a, of_a), adam_b.step(b, of_b)
    return a, b, merged()


@pytest.mark.parametrize(("rank", "block"), [(4, 2), (3, 3), (16, 1)])
@pytest.mark.parametrize("transposed", [False, True])
def test_five_steps_are_those_of_the_equations(
    monkeypatch: pytest.MonkeyPatch, rank: int, block: int, transposed: bool
) -> None:
    monkeypatch.setattr("worker.recovery.kinds.spp.ADAPTER_RANK", rank)
    weight, generator = half_pruned(), torch.Generator().manual_seed(1)
    inputs, wanted = torch.randn(6, IN), torch.randn(6, OUT)
    layout = transposed_layout() if transposed else linear_layout()
    adapter = ScaledWeights(layout.stored(weight[None]).contiguous(), layout, generator)
    rows = adapter.rows.detach()[0].clone()
    trained = [adapter.rows, adapter.outputs]
    adam = torch.optim.AdamW(trained, RATE, betas=(0.9, 0.95), weight_decay=DECAY)

    for _ in range(STEPS):
        adam.zero_grad()
        error = inputs @ layout.oriented(adapter())[0].T - wanted
        torch.autograd.backward(error.square().sum() / 2)
        adam.step()

    a, b, merged = by_hand(weight, rows, block, inputs, wanted)
    used = -(-OUT // block)
    torch.testing.assert_close(adapter.rows[0, :used], a[:used])
    torch.testing.assert_close(adapter.outputs[0], b)
    with torch.no_grad():
        torch.testing.assert_close(layout.oriented(adapter())[0], merged)
        assert torch.equal(merged == 0, weight == 0)


def test_at_the_start_the_weights_are_the_pruned_ones_and_rows_are_random() -> None:
    weight = half_pruned()
    adapter = ScaledWeights(weight, linear_layout(), torch.Generator().manual_seed(0))
    again = ScaledWeights(weight, linear_layout(), torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(adapter(), weight)
    assert torch.equal(adapter.rows, again.rows)
    bound = 1 / IN**0.5  # Kaiming's for a = √5
    assert 0.9 * bound < float(adapter.rows.detach().abs().max()) <= bound
    assert not bool(adapter.outputs.any())
