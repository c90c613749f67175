"""Products in fp32 of matrices whose numbers are bfloat16."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


@contextmanager
def bfloat16_products(inputs: Tensor) -> Iterator[None]:
    """Let the body multiply fp32 copies of bfloat16 inputs by AMX, if the CPU has it.

    AMX multiplies bfloat16 numbers and sums in fp32. The product of two bfloat16 numbers is exact
    in fp32, so nothing is lost, and it takes a third of the time. The setting is the process's: no
    other thread may multiply fp32 matrices meanwhile.

    Args:
        inputs: the inputs before they were converted to fp32; the body is not affected if they are
            not bfloat16 or not on a CPU with AMX.
    """
    has_amx = inputs.device.type == "cpu" and torch.cpu.get_capabilities().get("amx_bf16", False)
    if inputs.dtype is not torch.bfloat16 or not has_amx:
        yield
        return
    matmul = torch.backends.mkldnn.matmul  # type: ignore[attr-defined] # set when it is imported
    before = matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    try:
        yield
    finally:
        matmul.fp32_precision = before
