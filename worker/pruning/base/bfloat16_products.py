"""Products in fp32 of matrices whose numbers have 16 bits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@contextmanager
def bfloat16_products(inputs: Tensor) -> Iterator[None]:
    """Let the body multiply fp32 copies of 16-bit inputs by faster units, if the device has them.

    AMX multiplies bfloat16 numbers and sums in fp32, and so do the tensor cores of a GPU with TF32
    numbers, which have the mantissa of fp16 and the exponent of bfloat16. The product of two such
    numbers is exact in fp32, so nothing is lost, and it takes a third of the time or less. The
    setting is the process's: no other thread may multiply fp32 matrices meanwhile.

    Args:
        inputs: the inputs before they were converted to fp32; the body is not affected if their
            device has no units that represent them exactly.
    """
    matmul, precision = _faster(inputs)
    if precision is None:
        yield
        return
    before = matmul.fp32_precision
    matmul.fp32_precision = precision
    try:
        yield
    finally:
        matmul.fp32_precision = before


def _faster(inputs: Tensor) -> tuple[Any, str | None]:
    """Return torch's settings of products on the device, and their precision; None for fp32."""
    if inputs.device.type == "cuda":
        exact = inputs.dtype in (torch.bfloat16, torch.float16)
        return torch.backends.cuda.matmul, "tf32" if exact else None
    exact = inputs.dtype is torch.bfloat16
    has_amx = torch.cpu.get_capabilities().get("amx_bf16", False)
    matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined] # set when imported
    return matmul, "bf16" if exact and has_amx else None
