"""What the forward passes compute on and in."""

import torch


def compute_device(name: str) -> torch.device:
    """Return the device of this name; ``auto`` takes a GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def dtype_name(dtype: torch.dtype) -> str:
    """Return a dtype's name, such as ``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def compute_dtype(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of this name; ``auto`` takes bfloat16 where the machine has units for it."""
    if name != "auto":
        return {
            "float32": torch.float32,
            "bfloat16": torch.bfloat16,
            "float16": torch.float16,
        }[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    units = torch.cpu.get_capabilities()
    fast = units.get("avx512_bf16", False) or units.get("amx_bf16", False)
    return torch.bfloat16 if fast else torch.float32
