"""Replaces the processes of an older version one by one: ``python -m tests.upgrades.rolling``.

Both versions use one PostgreSQL, one broker and one folder, while jobs are accepted and run. It
needs a second installation and some minutes, so it is run by hand, by `make test-upgrade`.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from db.schema.revision import current_revision
from demo.service import free_port
from tests.db.postgres import admin, running_postgres
from tests.e2e.embedded import write_inputs
from zpruner.serve.embedded_broker import broker_command

START_WITHIN_S = 300.0
END_WITHIN_S = 3600.0
JOB = {
    "model": "local:tiny",
    "dataset": "local:text.txt",
    "method": "magnitude",
    "sparsity": 0.5,
    "seq_len": 32,
    "samples": 1,
    "eval_samples": 1,
}
LOGS = Path("build/rolling")
FINAL = {"succeeded", "failed", "cancelled", "expired"}


@dataclass
class Version:
    """One of the two installations, and its running processes by their part.

    Attributes:
        failures: how often its API did not respond with success, by method and status.
    """

    name: str
    python: str
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    failures: Counter[str] = field(default_factory=Counter)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self.python, "-P", "-m", "zpruner", "part", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True)

    def start(self, part: str, *arguments: str) -> None:
        command = [self.python, "-P", "-m", "zpruner", "part", part, *arguments]
        with (LOGS / f"{self.name}-{part}.log").open("ab") as log:
            self.running[part] = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def start_all(self) -> None:
        """Start the three parts, and wait until the API responds."""
        self.start("control")
        self.start("worker", "-n", self.name)
        self.start("api", "--host", "127.0.0.1", "--port", str(self.port))
        deadline = time.monotonic() + START_WITHIN_S
        while self.request("GET", "/v1/jobs?limit=1", counted=False) is None:
            if self.running["api"].poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the API of {self.name} did not start; see {LOGS}")
            time.sleep(0.2)

    def stop(self, part: str) -> None:
        """Stop a part as an orchestrator does."""
        process = self.running.pop(part)
        process.terminate()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            self.kill(process)

    def stop_all(self) -> None:
        for part in list(self.running):
            self.stop(part)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def request(self, method: str, path: str, counted: bool = True, **options: Any) -> Any:
        """Return the content of a response; None if it is an error, which is counted."""
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            response = httpx.request(method, url, timeout=120, **options)
            if response.is_success:
                return response.json()
            why = str(response.status_code)
        except httpx.TransportError as error:
            why = type(error).__name__
        self.failures[f"{method} {path.partition('?')[0]}: {why}"] += counted
        return None


class Upgrade:
    """Jobs that are submitted while the processes of two versions run.

    Attributes:
        accepted: the ids of the jobs that an API has accepted.
    """

    def __init__(self, old: Version, new: Version, socket: Path) -> None:
        self.old, self.new, self.accepted, self._socket = old, new, list[str](), socket

    def submit(self, count: int, *versions: Version) -> None:
        """Submit jobs to the APIs in turn, and read the newest one from each."""
        for version in islice(cycle(versions), count):
            if (job := version.request("POST", "/v1/jobs", json=JOB)) is not None:
                self.accepted.append(job["id"])
                for reader in versions:
                    reader.request("GET", f"/v1/jobs/{job['id']}")
                    reader.request("GET", "/v1/jobs?limit=20")

    def wait(self, left: int = 0) -> None:
        """Wait until at most this number of jobs has not ended."""
        deadline = time.monotonic() + END_WITHIN_S
        while (waiting := self.waiting()) > left:
            if time.monotonic() > deadline:
                raise SystemExit(f"{waiting} jobs have not ended; see {LOGS}")
            time.sleep(1)

    def waiting(self) -> int:
        """Return how many jobs have not ended."""
        return sum(status not in FINAL for _, status, _, _ in self.rows())

    def rows(self) -> list[tuple[Any, ...]]:
        """Return id, status, attempt and crashes of each job."""
        with admin(self._socket, "rolling") as connection:
            return connection.execute("SELECT id, status, attempt, crashes FROM jobs").fetchall()

    def ended_twice(self) -> list[str]:
        query = (
            "SELECT job_id FROM job_events WHERE kind = 'status' AND status IN "
            "('succeeded', 'failed', 'cancelled', 'expired') GROUP BY job_id HAVING count(*) > 1"
        )
        with admin(self._socket, "rolling") as connection:
            return [job_id for (job_id,) in connection.execute(query)]


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.upgrades.rolling", description=__doc__)
    parser.add_argument("--old", required=True, help="Python of the older installation")
    parser.add_argument("--jobs", type=int, default=200)
    arguments = parser.parse_args()
    LOGS.mkdir(parents=True, exist_ok=True)
    with versions(arguments.old) as (old, new, url, socket):
        roll(Upgrade(old, new, socket), arguments.jobs // 5, url)


@contextmanager
def versions(old_python: str) -> Iterator[tuple[Version, Version, str, Path]]:
    """Yield both versions on one database, broker and folder; end all processes afterwards."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="zpruner-rolling-")))
        socket = stack.enter_context(running_postgres())
        with admin(socket) as connection:
            connection.execute("CREATE DATABASE rolling")
        url = f"postgresql+psycopg://postgres@/rolling?host={socket}"
        (folder / "broker").mkdir()
        broker = subprocess.Popen(broker_command(folder / "broker"), stdout=subprocess.DEVNULL)
        stack.callback(broker.wait)
        stack.callback(broker.kill)
        write_inputs(folder / "inputs")
        (folder / "data").mkdir(mode=0o700)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ZPRUNER_")} | {
            "ZPRUNER_DATABASE_URL": url,
            "ZPRUNER_BROKER_URL": f"redis+socket://{folder}/broker/broker.sock",
            "ZPRUNER_DATA_DIR": str(folder / "data"),
            "ZPRUNER_MODEL_ROOTS": str(folder / "inputs"),
            "ZPRUNER_DATASET_ROOTS": str(folder / "inputs"),
            "ZPRUNER_DEVICE": "cpu",
        }
        old, new = (
            Version("old", old_python, environment),
            Version("new", sys.executable, environment),
        )
        for version in (old, new):
            stack.callback(version.stop_all)
        yield old, new, url, socket


def roll(upgrade: Upgrade, fifth: int, url: str) -> None:
    """Upgrade and go back, with a fifth of the jobs in each of five situations."""
    old, new = upgrade.old, upgrade.new
    require(old.run("migrate"))
    released = str(current_revision(url))
    old.start_all()
    upgrade.submit(fifth, old)
    require(new.run("migrate"))
    say(f"migrated from {released} to {current_revision(url)} while {old.name} runs")
    upgrade.submit(fifth, old)
    old.stop("control")
    new.start_all()
    say("both versions run")
    upgrade.submit(fifth, old, new)
    upgrade.wait(left=2 * fifth)
    old.stop_all()
    say(f"the old version is stopped, {upgrade.waiting()} jobs are left")
    upgrade.submit(fifth, new)
    upgrade.wait()
    report(upgrade)

    say("back")
    go_back(upgrade, fifth, released)
    upgrade.wait()
    report(upgrade)


def go_back(upgrade: Upgrade, fifth: int, released: str) -> None:
    """Replace the newer version; if the older one refuses its tables, by a downgrade."""
    old, new = upgrade.old, upgrade.new
    refused = old.run("migrate")
    if refused.returncode == 0:
        new.stop("control")
        old.start_all()
        upgrade.submit(fifth, old, new)
        new.stop_all()
        return
    say(f"the old version refuses the newer tables: {refused.stderr}")
    upgrade.submit(fifth, new)
    new.stop_all()
    require(new.run("migrate", "--to", released))
    old.start_all()


def report(upgrade: Upgrade) -> None:
    """Print how the jobs have ended, and require that all have succeeded once."""
    rows, ends = upgrade.rows(), upgrade.ended_twice()
    lost = set(upgrade.accepted) - {row[0] for row in rows}
    statuses = Counter(row[1] for row in rows)
    say(f"accepted {len(upgrade.accepted)}, lost {len(lost)}, ended twice {len(ends)}")
    say(f"status {dict(statuses)}")
    say(f"attempts {dict(Counter(row[2] for row in rows))}, crashes {sum(row[3] for row in rows)}")
    for version in (upgrade.old, upgrade.new):
        say(f"errors of the API of {version.name}: {dict(+version.failures)}")
    failures = upgrade.old.failures + upgrade.new.failures  # without those that are 0
    if lost or ends or failures or statuses.keys() != {"succeeded"}:
        raise SystemExit(f"jobs were lost or failed; see {LOGS}")


def require(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise SystemExit(f"{done.args} ended with {done.returncode}: {done.stderr}")


def say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%T')} {line.strip()}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
