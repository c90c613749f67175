"""The fingerprint of a pruning run: everything that decides the bytes of its result."""

import hashlib
import json
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from worker.pruning.base.file_digests import file_digest
from worker.pruning.model.head_loss import TokenLoss
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.recipe.recipe import Recipe

_LIBRARIES = ("torch", "transformers", "safetensors")
_version = cache(version)  # which parses all metadata of a package


def fingerprint(
    meta_model: MetaModel,
    recipe: Recipe,
    calibration: Tensor,
    evaluation: Tensor,
    token_loss: TokenLoss,
    start: MetaModel | None = None,
) -> dict[str, Any]:
    """Return what the result depends on, part by part, ready for JSON.

    A run resumes an earlier run only if their fingerprints are equal. If the fingerprints differ,
    the names of the differing parts show what has changed. The plan's setting and the number of
    ranks are not included, although they can change how the result is rounded.

    Args:
        meta_model: the dense model, with the dtype and the device of its forward.
        recipe: how the model is pruned.
        calibration: the token ids ``[windows, tokens]`` of the calibration windows.
        evaluation: the token ids ``[windows, tokens]`` of the evaluation windows.
        token_loss: the function that measures the loss.
        start: the model with the weights that are pruned; None if they are those of the dense one.
    """
    started = {} if start is None else {"start": _weights(start)}
    return (
        model_parts(meta_model, token_loss, meta_model.device)
        | started
        | {
            "recipe": plain_values(recipe),
            "calibration": ids_digest(calibration),
            "evaluation": ids_digest(evaluation),
        }
    )


def dense_loss_key(
    meta_model: MetaModel,
    evaluation: Tensor,
    token_loss: TokenLoss,
    device: torch.device,
) -> str:
    """Return a digest that identifies the dense model's loss on ``evaluation``.

    It covers all that the loss depends on except how the windows are batched, which can change how
    the loss is rounded.

    Args:
        meta_model: the model, with the dtype of its forward.
        evaluation: the token ids ``[windows, tokens]`` of the evaluation windows.
        token_loss: the function that measures the loss.
        device: the device of the forward.
    """
    parts = model_parts(meta_model, token_loss, device) | {"evaluation": ids_digest(evaluation)}
    return json_digest(parts)


def model_parts(
    meta_model: MetaModel, token_loss: TokenLoss, device: torch.device
) -> dict[str, Any]:
    """Return all that a model's outputs and loss depend on besides the windows, ready for JSON."""
    return {
        "config": json_digest(_config(meta_model)),
        "weights": _weights(meta_model),
        "loss": plain_values(token_loss),
        "dtype": str(meta_model.dtype),
        "device": device_properties(device),
        "versions": {name: _version(name) for name in _LIBRARIES},
        "code": code_digest(Path(__file__).parents[1]),
    }


def _config(meta_model: MetaModel) -> Any:
    """Return the configuration, ready for JSON, without the folder that it was read from.

    Another host may have the model in another folder.
    """
    text = meta_model.model.config.to_json_string(use_diff=False)
    return json.loads(text, object_hook=lambda mapping: mapping | {"_name_or_path": None})


def plain_values(value: object) -> Any:
    """Convert a value for JSON; a function becomes its name, as `code_digest` covers its code."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: plain_values(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__} | named
    if isinstance(value, tuple | list):
        return [plain_values(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain_values(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    raise TypeError(f"{value!r} cannot be part of a fingerprint")


def _weights(meta_model: MetaModel) -> dict[str, Any]:
    """Return values that identify the checkpoint on any machine: its layout and its bytes."""
    checkpoint = meta_model.checkpoint
    layout = {
        name: [stored.file.name, stored.offset, stored.size_bytes, str(stored.dtype), stored.shape]
        for name, stored in checkpoint.tensors.items()
    }
    files = sorted({stored.file for _, stored in checkpoint.parts})
    return {
        "layout": json_digest(layout),
        "files": [[path.name, file_digest(path)] for path in files],
    }


def ids_digest(ids: Tensor) -> dict[str, Any]:
    """Return the shape, dtype and digest of token ids ``[windows, tokens]``, ready for JSON."""
    content = hashlib.sha256(ids.contiguous().cpu().numpy().tobytes()).hexdigest()
    return {"shape": list(ids.shape), "dtype": str(ids.dtype), "sha256": content}


def device_properties(device: torch.device) -> dict[str, Any]:
    """Return the properties of a device that can change the results of a run.

    On a CPU, torch splits sums over its threads, and chooses kernels by the instruction sets that
    the CPU supports. On a GPU, results depend on the GPU's model.
    """
    if device.type == "cuda":
        return {"type": "cuda", "name": torch.cuda.get_device_name(device)}
    return {
        "type": device.type,
        "threads": torch.get_num_threads(),
        "capabilities": {key: str(value) for key, value in torch.cpu.get_capabilities().items()},
    }


@cache
def code_digest(root: Path) -> str:
    """Return one hash of all Python files in the folder ``root``, at any depth.

    They are read once in a process, which runs the code that it has imported.
    """
    content = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        content.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return content.hexdigest()


def json_digest(document: object) -> str:
    """Return the SHA-256 of a JSON document, independent of the order of its keys."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
