"""Settings of workers and of the control process."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema

from db.events.transitions import LEASE
from db.startup.connection_settings import Seconds
from db.startup.settings import Grace, Roots, Settings
from worker.device import is_cpu
from worker.jobs.resources import Resources, valid_device_name

Device = Annotated[str, BeforeValidator(valid_device_name)]


def _supported(value: str) -> str:
    if value == "always" and sys.platform != "linux":
        raise ValueError("jobs' processes can be forked safely on Linux only: set auto or never")
    return value


Forking = Annotated[Literal["auto", "always", "never"], AfterValidator(_supported)]


class WorkerSettings(Settings):
    """The shared settings, and those of workers and of the control process."""

    device: Device = "auto"
    """The worker's device: `cpu`, `cuda`, or `auto` for a GPU if there is one."""

    memory_budget_bytes: int | None = Field(default=None, gt=0)
    """The most memory that all processes of a job together may use; by default there is no limit.
    The job runs in a way that fits, or is refused before it starts."""

    task_roots: Roots = ()
    """Folders with zero-shot tasks of your own, as YAML files of the LM Evaluation Harness. The
    Python files in them that tasks name (`!function`) run with the rights of the worker."""

    signing_key_file: Path | None = None
    """A file with a private key in PEM that signs the provenance of each job
    (docs/provenance.md#signatures)."""

    devices: int = Field(default=1, ge=1)
    """Number of GPUs that share each job, from `cuda:0` on; on a CPU the number of processes."""

    fork_server: Forking = "auto"
    """`auto`: if jobs compute on the CPU, each job's process is forked from a process that has
    already imported torch. `always`: this is done even if jobs use a GPU (not tested on a GPU).
    That process is started when the first job arrives. `never`: a new process is started for each
    job, which takes some seconds longer and uses some 450 MB less between jobs. Forking needs Linux
    (docs/explanations/fork-server.md)."""

    worker_nice: int = Field(default=5, ge=0, le=19)
    """By how much jobs and estimates give way to other processes while they compute, as niceness on
    Linux (docs/operations.md#priority-of-computations); 0: not at all."""

    job_timeout_s: Seconds = 6 * 3600
    """The longest a job may run."""

    lease_s: Seconds = LEASE.seconds
    """The time after which the job of a silent worker is requeued; use the same value for workers
    and `control`."""

    cancel_grace_s: Grace = 2
    """How long a cancelled or overdue job may take to stop before its process is killed."""

    pause_grace_s: Grace = 600
    """How long a job that is pausing may take to finish its current block."""

    yield_grace_s: Grace = 45
    """How long a worker that is being stopped may take to requeue its job."""

    keep_unfinished_s: Grace = 24 * 3600
    """How long the finished blocks of a job that did not succeed are kept for a retry."""

    keep_events_s: Grace = 90 * 24 * 3600
    """How long after a job's end its phase and progress events are kept; 0 means forever
    (docs/operations.md#retention)."""

    keep_audit_s: Grace = 365 * 24 * 3600
    """How long audit entries are kept; 0 means forever."""

    reap_every_s: Seconds = 10
    """How often `control` requeues the jobs of lost workers and expires overdue jobs."""

    relay_every_s: Seconds = 1
    """How often `control` checks for jobs whose broker message was lost, for requested estimates,
    and for messages to webhooks."""

    sweep_every_s: Seconds = 3600
    """How often `control` applies the rules of `ZPRUNER_RETENTION`, and deletes old rows and files
    left by interrupted deletions."""

    scrub_every_s: Seconds = 7 * 24 * 3600
    """How often `control` compares each finished file with its digest."""

    scrub_bytes_per_s: int = Field(default=32 << 20, ge=0)
    """The maximum rate at which `control` reads files to check digests; 0 disables the checks."""

    # Not for users, so not in the schema: the parent process sets it for its children.
    worker_id: SkipJsonSchema[str | None] = None

    @property
    def forks(self) -> bool:
        """Whether jobs' processes are forked; by default only on Linux, for jobs on the CPU."""
        if self.fork_server == "auto":
            return sys.platform == "linux" and is_cpu(self.device)
        return self.fork_server == "always"

    @property
    def resources(self) -> Resources:
        return Resources(
            model_roots=self.model_roots,
            dataset_roots=self.dataset_roots,
            task_roots=self.task_roots,
            uploads=self.upload_dir,
            buckets=self.readable_buckets,
            device=self.device,
            devices=self.devices,
            memory_budget_bytes=self.memory_budget_bytes,
            baselines=self.data_dir / "baselines",
            speeds=self.speed_file,
            signing_key=self.signing_key_file,
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
