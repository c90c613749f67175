"""The device and the dtype of the forward passes."""

import torch


def compute_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is a GPU if there is one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def dtype_name(dtype: torch.dtype) -> str:
    """Return a dtype's name, such as ``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def compute_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of this name.

    ``auto`` is bfloat16 if the device has instructions for it. Otherwise, it is float16 on a GPU
    and float32 on a CPU.
    """
    if name != "auto":
        return {
            "float32": torch.float32,
            "bfloat16": torch.bfloat16,
            "float16": torch.float16,
        }[name]
    if device.type == "cuda":
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bfloat16 else torch.float16
    supported = torch.cpu.get_capabilities()
    has_bfloat16 = supported.get("avx512_bf16", False) or supported.get("amx_bf16", False)
    return torch.bfloat16 if has_bfloat16 else torch.float32
