"""Everything that decides a sweep's bytes, in a form that two runs can compare."""

import hashlib
import json
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from worker.pruning.model.head_loss import TokenLoss
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.recipe import Recipe

_LIBRARIES = ("torch", "transformers", "safetensors")


def fingerprint(
    meta_model: MetaModel,
    recipe: Recipe,
    calibration: Tensor,
    evaluation: Tensor,
    token_loss: TokenLoss,
) -> dict[str, Any]:
    """Return what the sweep depends on, part by part, ready for JSON.

    Two sweeps with equal fingerprints write the same bytes; where they differ, the parts' names
    say in what.

    Args:
        meta_model: the model, and the dtype and device that compute.
        recipe: how it is pruned.
        calibration: ``[windows, tokens]`` ids.
        evaluation: ``[windows, tokens]`` ids.
        token_loss: what measures the loss.
    """
    return _given(meta_model, token_loss, meta_model.device) | {
        "recipe": _plain(recipe),
        "calibration": _ids(calibration),
        "evaluation": _ids(evaluation),
    }


def dense_key(
    meta_model: MetaModel,
    evaluation: Tensor,
    token_loss: TokenLoss,
    device: torch.device,
) -> str:
    """Return a name for all that the dense model's loss on ``evaluation`` depends on.

    Args:
        meta_model: the model, and the dtype that computes.
        evaluation: ``[windows, tokens]`` ids.
        token_loss: what measures the loss.
        device: what computes.
    """
    parts = _given(meta_model, token_loss, device) | {"evaluation": _ids(evaluation)}
    return _digest(json.dumps(parts, sort_keys=True))


def _given(meta_model: MetaModel, token_loss: TokenLoss, device: torch.device) -> dict[str, Any]:
    return {
        "config": _digest(meta_model.model.config.to_json_string(use_diff=False)),
        "weights": _weights(meta_model),
        "loss": _plain(token_loss),
        "dtype": str(meta_model.dtype),
        "device": _device(device),
        "versions": {name: version(name) for name in _LIBRARIES},
        "code": _code(),
    }


def _plain(value: object) -> Any:
    """Return a value as JSON can hold it; a function by its name, for `_code` holds its text."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__} | named
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    raise TypeError(f"{value!r} has no place in a fingerprint")


def _weights(meta_model: MetaModel) -> dict[str, Any]:
    """Identify the checkpoint without reading it whole.

    A file cannot be written to, replaced or renamed without a new change time or inode, and
    neither can be set by a program; its modification time can.
    """
    tensors = meta_model.checkpoint.tensors
    layout = {
        name: [stored.file.name, stored.offset, stored.size_bytes, str(stored.dtype), stored.shape]
        for name, stored in tensors.items()
    }
    files = sorted({stored.file for stored in tensors.values()})
    return {"layout": _digest(json.dumps(layout, sort_keys=True)), "files": list(map(_file, files))}


def _file(path: Path) -> list[Any]:
    status = path.stat()
    return [path.name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _ids(ids: Tensor) -> dict[str, Any]:
    content = hashlib.sha256(ids.contiguous().cpu().numpy().tobytes()).hexdigest()
    return {"shape": list(ids.shape), "dtype": str(ids.dtype), "sha256": content}


def _device(device: torch.device) -> dict[str, Any]:
    """Describe what computes: sums are split over a CPU's threads, and kernels chosen by its kind.

    A GPU's kernels are chosen by its name.
    """
    if device.type == "cuda":
        return {"type": "cuda", "name": torch.cuda.get_device_name(device)}
    return {
        "type": device.type,
        "threads": torch.get_num_threads(),
        "capabilities": {key: str(value) for key, value in torch.cpu.get_capabilities().items()},
    }


def _code() -> str:
    """Return one hash of this package's source files."""
    root, content = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        content.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return content.hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
