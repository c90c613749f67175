"""Settings of workers and of the control process."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from db.startup.settings import Grace, Seconds, Settings
from worker.device import is_cpu
from worker.jobs.resources import Resources, valid_device_name

Device = Annotated[str, BeforeValidator(valid_device_name)]


def _supported(value: str) -> str:
    if value == "always" and sys.platform != "linux":
        raise ValueError("jobs' processes can be forked safely on Linux only: set auto or never")
    return value


Forking = Annotated[Literal["auto", "always", "never"], AfterValidator(_supported)]


class WorkerSettings(Settings):
    """The shared settings, and those of workers."""

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
    # Not for users: the parent process sets it for its children.
    worker_id: str | None = None

    @property
    def forks(self) -> bool:
        """Whether jobs' processes are forked; by default, if jobs compute on the CPU."""
        if self.fork_server == "auto":
            return sys.platform == "linux" and is_cpu(self.device)
        return self.fork_server == "always"

    @property
    def resources(self) -> Resources:
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
        """The file with this machine's measured speed."""
        return self.data_dir / "speed.json"

    @property
    def lease(self) -> timedelta:
        """The time after which a worker that does not renew its lease loses its job."""
        return timedelta(seconds=self.lease_s)

    @property
    def keep_unfinished(self) -> timedelta:
        """The time for which a job that did not succeed can be resumed from its last block."""
        return timedelta(seconds=self.keep_unfinished_s)
