"""Runs the whole service as processes, on a free port and in its own folder."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil

from benchmarks.llama import RandomLlama
from demo.service import free_port
from tests.suite.starts import StartError
from tests.waiting import DEADLINE_S
from tests.zero_shot import write_tasks
from zpruner import Client, Job

TINY = RandomLlama(blocks=2, width=32, intermediate=64, heads=2, vocabulary=256)
# Some seconds of work: long enough to interrupt, short enough to repeat.
SLOW = RandomLlama(blocks=16, width=256, intermediate=512, heads=4, vocabulary=256)
SENTENCE = "The quick brown fox number {} jumps over the lazy dog.\n"
SPEC: dict[str, Any] = {
    "sparsity": 0.5,
    "dataset": "local:text.txt",
    "seq_len": 128,
    "eval_samples": 8,
}
# A busy machine pauses processes for seconds, and starts them slowly.
START_WITHIN_S = 480.0
"""More than the service itself waits for its parts, after which it says which one is missing."""
STOP_WITHIN_S = 60.0
REQUEST_S = 60.0
FEW_WINDOWS = 12
"""A slow job of so many runs for seconds after its first block, which is time to break something,
and ends soon after that: its windows are most of what such a test computes."""


def write_inputs(folder: Path) -> None:
    """Write two models, a text and zero-shot tasks."""
    TINY.write(folder / "tiny")
    write_tasks(folder / "tasks")
    SLOW.write(folder / "slow")
    (folder / "text.txt").write_text("".join(SENTENCE.format(n) for n in range(1500)))


class Service:
    """A running `zpruner serve`.

    Attributes:
        measured_speed: the speed of this machine that the last service has measured; the next one
            need not measure it.
        first_output: what the last start has printed until it was ready, to both outputs.
    """

    measured_speed: ClassVar[bytes] = b""

    def __init__(
        self, data_dir: Path, inputs: Path, cwd: Path | None = None, /, **settings: str
    ) -> None:
        self.data_dir, self._inputs, self._settings, self._cwd = data_dir, inputs, settings, cwd
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process: subprocess.Popen[str] | None = None
        self.first_output = ""

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            StartError: it ended, or was not ready in time.
        """
        if self.measured_speed and self.data_dir.exists() and not self.speed_file.exists():
            self.speed_file.touch(mode=0o600)
            self.speed_file.write_bytes(self.measured_speed)
        with self.log_file.open("a") as log:
            logged_before = len(self.log())
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "zpruner",
                    "serve",
                    "--port",
                    self.url.rpartition(":")[2],
                ],
                env=self.environment(),
                cwd=self._cwd,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        with self.process.stdout as output:
            line = output.readline() if select.select([output], [], [], START_WITHIN_S)[0] else ""
            self.first_output = line + (output.readline() if line else "")
        self.first_output += self.log()[logged_before:]
        if line != f"Z-Pruner is ready at {self.url}\n":
            raise StartError(f"zpruner serve did not start: {line or 'silence'}\n{self.log()}")

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Stop it with a signal and return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        if self.speed_file.exists():
            type(self).measured_speed = self.speed_file.read_bytes()
        return self.process.wait(STOP_WITHIN_S)

    def worker(self) -> psutil.Process:
        """Return the parent process of the worker that prunes."""
        found = self.processes("worker.program")
        return min(found, key=psutil.Process.create_time)  # numbers of processes start again

    def processes(self, *arguments: str) -> list[psutil.Process]:
        """Return the running processes of this service whose command has the arguments."""
        return [one for one in psutil.process_iter() if self._owns(one, set(arguments))]

    def estimators(self) -> list[psutil.Process]:
        """Return the children of the worker's fork server.

        That is the estimator, and for an instant each child through which the server forks a
        process of the pool.
        """
        found = []
        for one in self.worker().children():
            with suppress(psutil.NoSuchProcess):
                found += one.children() if "fork_server" in " ".join(one.cmdline()) else []
        return found

    def log(self) -> str:
        return self.log_file.read_text()

    def log_lines(self) -> list[str]:
        """Return the lines of the log, but for one that is just being written."""
        return self.log().split("\n")[:-1]

    @property
    def speed_file(self) -> Path:
        return self.data_dir / "speed.json"

    @property
    def log_file(self) -> Path:
        """The log, outside the data folder, which only the service may write."""
        return self.data_dir.with_name(f"{self.data_dir.name}.log")

    def _owns(self, process: psutil.Process, arguments: set[str]) -> bool:
        try:
            is_mine = process.environ().get("ZPRUNER_DATA_DIR") == str(self.data_dir)
            is_alive = process.status() != psutil.STATUS_ZOMBIE
            return is_mine and is_alive and arguments <= set(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def environment(self) -> dict[str, str]:
        """Return the environment of the service."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ZPRUNER_")}
        return inherited | {
            "ZPRUNER_DATA_DIR": str(self.data_dir),
            "ZPRUNER_MODEL_ROOTS": str(self._inputs),
            "ZPRUNER_DATASET_ROOTS": str(self._inputs),
            "ZPRUNER_TASK_ROOTS": str(self._inputs / "tasks"),
            "ZPRUNER_DEVICE": "cpu",
            **self._settings,
        }


@contextmanager
def serving(
    data_dir: Path, inputs: Path, cwd: Path | None = None, /, **settings: str
) -> Iterator[Service]:
    """Run the service during the block; afterwards kill what is left of it."""
    service = Service(data_dir, inputs, cwd, **settings)
    try:
        service.start()
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.stop()
        for left in service.processes():
            with suppress(psutil.NoSuchProcess):
                left.kill()


def submit(client: Client, model: str, **options: Any) -> Job:
    return client.jobs.create(f"local:{model}", **SPEC | options)


def until(
    client: Client, job_id: str, condition: Callable[[Job], bool], within_s: float = DEADLINE_S
) -> Job:
    """Wait until a condition of a job is true, and return the job."""
    deadline = time.monotonic() + within_s
    while not condition(job := client.jobs.get(job_id)):
        assert not job.is_final, f"ended before: {job}"
        assert time.monotonic() < deadline, f"not within {within_s} s: {job}"
        time.sleep(0.1)
    return job


def is_in_the_middle(job: Job) -> bool:
    """Whether the job runs and has finished a block."""
    return job.status == "running" and job.progress.block is not None


def ends(client: Client, job_id: str) -> list[str]:
    """Return all final states in the job's events."""
    finals = ("succeeded", "failed", "cancelled", "expired")
    events = [event for event in client.jobs.events(job_id) if event.kind == "status"]
    return [event.status for event in events if event.status in finals]
