"""What a worker can be told, beside what both sides share."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from db.startup.settings import Grace, Seconds, Settings
from worker.device import is_cpu
from worker.jobs.resources import Resources, known_device

Device = Annotated[str, BeforeValidator(known_device)]


def _possible(value: str) -> str:
    if value == "always" and sys.platform != "linux":
        raise ValueError("only Linux can fork jobs' processes safely: set auto or never")
    return value


Forking = Annotated[Literal["auto", "always", "never"], AfterValidator(_possible)]


class WorkerSettings(Settings):
    """Adds the worker's own to the shared settings."""

    device: Device = "auto"
    memory_budget_bytes: int | None = Field(default=None, gt=0)
    devices: int = Field(default=1, ge=1)
    lease_s: Seconds = 60
    reap_every_s: Seconds = 10
    relay_every_s: Seconds = 1
    job_timeout_s: Seconds = 6 * 3600
    sweep_every_s: Seconds = 3600
    scrub_every_s: Seconds = 7 * 24 * 3600
    scrub_bytes_per_s: int = Field(default=32 << 20, ge=0)
    keep_unfinished_s: Grace = 24 * 3600
    keep_events_s: Grace = 90 * 24 * 3600
    keep_audit_s: Grace = 365 * 24 * 3600
    cancel_grace_s: Grace = 2
    pause_grace_s: Grace = 600
    yield_grace_s: Grace = 45
    fork_server: Forking = "auto"
    # Not for people: the parent process tells its children whose they are.
    worker_id: str | None = None

    @property
    def forks(self) -> bool:
        """Whether jobs' processes are forked, by default where none of them uses a GPU."""
        if self.fork_server == "auto":
            return sys.platform == "linux" and is_cpu(self.device)
        return self.fork_server == "always"

    @property
    def resources(self) -> Resources:
        """What every job here is given to work with."""
        return Resources(
            model_roots=self.model_roots,
            dataset_roots=self.dataset_roots,
            uploads=self.upload_dir,
            device=self.device,
            devices=self.devices,
            memory_budget_bytes=self.memory_budget_bytes,
            baselines=self.data_dir / "baselines",
            speeds=self.speed_file,
        )

    @property
    def speed_file(self) -> Path:
        """Where it is kept how fast this machine is, for predictions of time."""
        return self.data_dir / "speed.json"

    @property
    def lease(self) -> timedelta:
        """How long a silent worker keeps its job."""
        return timedelta(seconds=self.lease_s)

    @property
    def keep_unfinished(self) -> timedelta:
        """How long a job that did not succeed may be retried from its last finished block."""
        return timedelta(seconds=self.keep_unfinished_s)
