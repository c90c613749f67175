"""Masked low-rank adapters, compared with a loop over the formula."""

import pytest
import torch

from tests.worker.recovery.kinds.layouts import half_pruned, linear_layout, transposed_layout
from worker.recovery.kinds.mask_lora import MaskedLowRank


@pytest.mark.parametrize("transposed", [False, True])
def test_the_product_is_added_to_the_kept_weights_only(transposed: bool) -> None:
    weight, layout = half_pruned(), transposed_layout() if transposed else linear_layout()
    generator = torch.Generator().manual_seed(0)
    adapter = MaskedLowRank(layout.stored(weight[None]).contiguous(), layout, generator)
    with torch.no_grad():
        assert torch.equal(layout.oriented(adapter())[0], weight)  # B is zero at the start
        adapter.up.normal_(generator=generator)
        got = layout.oriented(adapter())[0]
    product = adapter.up.detach()[0] @ adapter.down.detach()[0]
    for i, row in enumerate(weight):
        for j, value in enumerate(row):
            want = float(value) + 2.0 * float(product[i, j]) if value else 0.0
            assert float(got[i, j]) == pytest.approx(want, rel=1e-5)


def test_the_pruned_weights_get_no_gradient_of_the_product() -> None:
    weight = half_pruned()
    adapter = MaskedLowRank(weight, linear_layout(), torch.Generator().manual_seed(0))
    slope = torch.randn(weight.shape)
    torch.autograd.backward((adapter() * slope).sum())
    assert adapter.base.grad is None
    assert adapter.up.grad is not None
    kept = slope * (weight != 0)
    torch.testing.assert_close(adapter.up.grad[0], 2.0 * kept @ adapter.down.detach()[0].T)
