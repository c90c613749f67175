"""The memory that this process may still use under all limits that apply to it."""

import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.memory import available_bytes, peak_resident_bytes, process_status_bytes
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.cgroup_limits import group_limits

_FREE_SHARE = 0.9  # of the free memory; the rest is left to other programs
MARGIN = 1.05
"""The planned memory relative to that of the model of it, which may be 5 % too low."""


@dataclass(frozen=True)
class Headroom:
    """The memory that a process may use, and the memory that it uses already.

    Attributes:
        resident_bytes: resident memory now.
        peak_bytes: peak resident memory so far; in `idle_headroom`, the same as
            ``resident_bytes``.
        host_bytes: how many bytes on the host the process may use beyond ``resident_bytes``.
        limit: name of the tightest limit, which sets ``host_bytes``, such as ``free memory``.
        device_bytes: memory that the process may use on the GPU; None if the CPU computes.
    """

    resident_bytes: int
    peak_bytes: int
    host_bytes: int
    limit: str
    device_bytes: int | None = None


def headroom(device: torch.device, budget_bytes: int | None = None) -> Headroom:
    """Return the memory that this process may use now.

    Args:
        device: the device of the forward passes.
        budget_bytes: maximum memory of the whole process; None for no such limit.
    """
    memory = psutil.Process().memory_info()
    limits = dict(_limits(memory.rss, budget_bytes))
    limit = min(limits, key=limits.__getitem__)
    on_device = available_bytes(device) if device.type != "cpu" else None
    return Headroom(memory.rss, peak_resident_bytes(), max(0, limits[limit]), limit, on_device)


def require_headroom(
    needed: int, device: torch.device, budget_bytes: int | None, change: str | None, task: str
) -> None:
    """Check that memory of this size can be used now where ``device`` computes.

    Args:
        needed: bytes in addition to those that the process already uses.
        device: the device of the forward passes.
        budget_bytes: maximum memory of the whole process; None for no such limit.
        change: the change to the job that the error proposes; None for no proposal.
        task: the part of the job that needs the memory.

    Raises:
        InsufficientMemoryError: less memory is available.
    """
    require_bytes(needed, headroom(device, budget_bytes), change, task)


def require_bytes(needed: int, free: Headroom, change: str | None, task: str) -> None:
    """Check that memory of this size can be used within limits that are known.

    ``change`` and ``task`` are those of `require_headroom`, and so is the error.
    """
    left, limit = _left(free)
    if needed > left:
        raise InsufficientMemoryError(needed, left, limit, change, task)


def require_whole_model(
    meta_model: MetaModel, budget_bytes: int | None, change: str | None, task: str
) -> None:
    """Check that all weights of a model fit into memory at once, in addition to what is used.

    Args:
        meta_model: the model, with the device and dtype of its forward passes.
        budget_bytes, change, task: as for `require_headroom`.

    Raises:
        InsufficientMemoryError: less memory is available.
    """
    needed = _whole_bytes(meta_model)
    require_headroom(needed, meta_model.device, budget_bytes, change, task)


def fits_whole(meta_model: MetaModel, budget_bytes: int | None) -> bool:
    """Return whether all weights of a model fit into memory at once, in addition to what is used.

    The arguments are those of `require_whole_model`.
    """
    return _whole_bytes(meta_model) <= _left(headroom(meta_model.device, budget_bytes))[0]


def _whole_bytes(meta_model: MetaModel) -> int:
    weights = sum(int(parameter.numel()) for parameter in meta_model.model.parameters())
    return weights * meta_model.dtype.itemsize


def _left(free: Headroom) -> tuple[int, str]:
    """Return the memory that is left where the device computes, and the name of its limit."""
    if free.device_bytes is not None:
        return free.device_bytes, "the GPU"
    return free.host_bytes, free.limit


def idle_headroom(device: torch.device, budget_bytes: int | None = None) -> Headroom:
    """Return the memory that a process could use on this machine if no other program ran.

    Args:
        device: the device of the forward passes.
        budget_bytes: maximum memory of the whole process; None for no such limit.
    """
    resident = int(psutil.Process().memory_info().rss)
    limits = {"this machine's memory": int(psutil.virtual_memory().total * _FREE_SHARE)}
    if budget_bytes is not None:
        limits["ZPRUNER_MEMORY_BUDGET_BYTES"] = budget_bytes
    membership = Path("/proc/self/cgroup")
    if membership.is_file():
        for group in group_limits(membership.read_text()):
            limits[f"control group {group.folder}"] = group.limit_bytes
    limit = min(limits, key=limits.__getitem__)
    on_device = None
    if device.type == "cuda":
        on_device = int(torch.cuda.get_device_properties(device).total_memory * _FREE_SHARE)
    return Headroom(resident, resident, max(0, limits[limit] - resident), limit, on_device)


def _limits(resident: int, budget: int | None) -> Iterator[tuple[str, int]]:
    """Yield the name of each limit, and how many more bytes it lets the process use."""
    yield "free memory", int(psutil.virtual_memory().available * _FREE_SHARE)
    if budget is not None:
        yield "ZPRUNER_MEMORY_BUDGET_BYTES", budget - resident
    for name, kind, field in (
        ("RLIMIT_DATA", resource.RLIMIT_DATA, "VmData"),
        ("RLIMIT_AS", resource.RLIMIT_AS, "VmSize"),
    ):
        soft = resource.getrlimit(kind)[0]
        if soft != resource.RLIM_INFINITY:
            yield name, soft - process_status_bytes(field)
    membership = Path("/proc/self/cgroup")
    if membership.is_file():
        for group in group_limits(membership.read_text()):
            yield f"control group {group.folder}", group.limit_bytes - group.used_bytes
