"""What the machine and its owner give every job."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


@dataclass(frozen=True)
class Resources:
    """What work may use.

    Attributes:
        model_roots: folders that local models may lie in; None for any.
        dataset_roots: the same for datasets.
        uploads: the folder of uploaded datasets; without it none can be named.
        digests: the sha256 that each uploaded dataset of the job must have, by its name.
        device: what to compute on; ``auto`` takes a GPU where there is one.
        devices: how many of them; each gets a process and a share of the windows.
        memory_budget_bytes: the most memory that all processes may hold; None for all there is.
        baselines: a folder that remembers dense models' losses from job to job, if any.
        speeds: a file that remembers how fast this machine is; without it no time is predicted.
    """

    model_roots: tuple[Path, ...] | None = None
    dataset_roots: tuple[Path, ...] | None = None
    uploads: Path | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    devices: int = 1
    memory_budget_bytes: int | None = None
    baselines: Path | None = None
    speeds: Path | None = None


def known_device(name: str) -> str:
    """Return the name of a device; whether this machine has it, only torch knows.

    Raises:
        ValueError: it is not a name of a device.
    """
    if not DEVICE.fullmatch(name):
        raise ValueError("it is not auto, cpu, cuda or one GPU such as cuda:1")
    return name
