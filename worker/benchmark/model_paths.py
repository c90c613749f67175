"""The benchmark of two paths: model folders, or GGUF files."""

from collections.abc import Generator
from importlib import import_module
from importlib.util import find_spec
from math import prod
from pathlib import Path

import torch

from db.core.errors import SpecRefusedError
from worker.benchmark.comparison import Comparison, compare
from worker.benchmark.measurement import NEW_TOKENS, draw_prompt
from worker.benchmark.runtime import Runtime, RuntimeName
from worker.benchmark.transformers_runtime import TransformersRuntime
from worker.pruning.base.compute import compute_device, compute_dtype
from worker.pruning.distributed.launcher import rank_devices
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.planning.memory_limits import require_headroom

GGUF = ".gguf"
CONFIG = "config.json"
PACKAGES = {"llama": ("gguf", "xllamacpp"), "openvino": ("gguf", "openvino_genai")}
"""The packages that run GGUF files, by the extra that installs them."""


def compare_paths(
    dense: Path,
    pruned: Path,
    device_name: str,
    dtype_name: str,
    runtime_name: RuntimeName = RuntimeName.auto,
) -> Generator[float, None, Comparison]:
    """Measure two models in turns.

    Args:
        dense: the model that the other one is compared with.
        pruned: the other one.
        device_name: the device that folders run on.
        dtype_name: the dtype that folders run in.
        runtime_name: the program that runs them.

    Yields:
        The share that is done, after each measurement.

    Raises:
        SpecRefusedError: the paths are not two folders or two GGUF files, the program is not
            installed or runs no folders, or the context of a model is too short.
        PruningError: a folder's weights are damaged, or a model does not fit into memory.
    """
    (device,) = rank_devices(compute_device(device_name), 1)
    dtype = compute_dtype(dtype_name, device)
    is_gguf = _are_gguf(dense, pruned)
    if not is_gguf and runtime_name is RuntimeName.openvino:
        reason, remedy = "it runs GGUF files only", "Write the folders with zpruner gguf."
        raise SpecRefusedError("runtime", runtime_name.value, "no_runtime", reason, remedy)
    runtime: Runtime = (
        _gguf_runtime(runtime_name) if is_gguf else TransformersRuntime(device, dtype)
    )
    for name, path in (("dense", dense), ("pruned", pruned)):
        needed = runtime.stored_bytes(path) if is_gguf else _loaded_bytes(path, dtype)
        require_headroom(needed, device, None, None, f"a benchmark of the {name} model")
    if not (prompt := draw_prompt([runtime.limits(dense), runtime.limits(pruned)])):
        reason = f"a model's context leaves no room for {NEW_TOKENS} new tokens"
        raise SpecRefusedError("dense", str(dense), "short_context", reason, "Use other models.")
    return (yield from compare(runtime, dense, pruned, prompt))


def _are_gguf(dense: Path, pruned: Path) -> bool:
    """Return whether both are GGUF files; if not, check that both are model folders."""
    if all(path.is_file() and path.suffix == GGUF for path in (dense, pruned)):
        return True
    for name, path in (("dense", dense), ("pruned", pruned)):
        if not (path / CONFIG).is_file():
            reason = f"it is no folder with {CONFIG}, and not both are {GGUF} files"
            remedy = f"Name two model folders or two {GGUF} files."
            raise SpecRefusedError(name, str(path), "model_not_found", reason, remedy)
    return False


def _loaded_bytes(folder: Path, dtype: torch.dtype) -> int:
    """Return the size of a folder's weights in memory."""
    tensors = Checkpoint.open(folder).tensors.values()
    return sum(prod(stored.shape) for stored in tensors) * dtype.itemsize


def _gguf_runtime(name: RuntimeName) -> Runtime:
    extra = "openvino" if name is RuntimeName.openvino else "llama"
    if missing := [package for package in PACKAGES[extra] if find_spec(package) is None]:
        reason = f"{', '.join(missing)} not installed, which it needs for GGUF files"
        remedy = f"pip install 'zpruner[{extra}]'"
        raise SpecRefusedError("runtime", name.value, "no_runtime", reason, remedy)
    module = import_module(f"worker.benchmark.{extra}_runtime")
    threads = torch.get_num_threads()
    runtime: Runtime = (
        module.OpenVinoRuntime(threads) if extra == "openvino" else module.LlamaRuntime(threads)
    )
    return runtime
