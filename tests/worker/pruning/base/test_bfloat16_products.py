"""The precision of products of 16-bit numbers on a GPU."""

import pytest
import torch

from tests.cuda.fake import CUDA, fake_cuda
from worker.pruning.base.bfloat16_products import bfloat16_products


@pytest.mark.parametrize(
    ("dtype", "precision"),
    [(torch.bfloat16, "tf32"), (torch.float16, "tf32"), (torch.float32, "none")],
)
def test_a_gpu_multiplies_in_tf32_only_what_tf32_represents(
    dtype: torch.dtype, precision: str
) -> None:
    settings = torch.backends.cuda.matmul
    with fake_cuda(), bfloat16_products(torch.zeros(2, device=CUDA, dtype=dtype)):
        assert settings.fp32_precision == precision
    assert settings.fp32_precision == "none"


def test_tf32_represents_every_finite_16_bit_number() -> None:
    bits = torch.arange(-(1 << 15), 1 << 15, dtype=torch.int16)
    for dtype in (torch.bfloat16, torch.float16):
        numbers = bits.view(dtype).float()
        numbers = numbers[numbers.isfinite()]
        tf32 = (numbers.view(torch.int32) & -(1 << 13)).view(torch.float32)  # 10 bits of mantissa
        assert torch.equal(tf32, numbers)
