"""The outputs process: killed in the middle of an upload, and stopped."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from db.core.clock import now
from db.tables.outputs import Output, OutputState
from tests.hub_uploads import WritableHub
from tests.proxy import Proxy, proxying
from tests.waiting import DEADLINE_S, eventually
from tests.worker.outputs.conftest import KEY
from tests.worker.outputs.sending import FILES, SECRET, Sending, checksums
from worker.control.outputs_process import COMMAND

TARGET = {"hub": "org/pruned", "secret": "hf"}
SENT = FILES | {"SHA256SUMS": checksums(FILES)}


PATIENT = (
    sys.executable,
    "-c",
    f"from worker.outputs import process; process.GRACE_S = {DEADLINE_S}; process.main()",
)
"""The process, which has a few seconds to return its output: too few on a busy machine."""


class Processes:
    """Starts the process, with its log in a file."""

    def __init__(self, url: str, folder: Path, hub: str) -> None:
        self.log = folder / "outputs.log"
        self.started: subprocess.Popen[bytes] | None = None
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ZPRUNER_", "HF_"))}
        self.env = inherited | {
            "ZPRUNER_DATA_DIR": str(folder),
            "ZPRUNER_DATABASE_URL": url,
            "ZPRUNER_SECRETS_KEY": KEY,
            "ZPRUNER_BEAT_EVERY_S": "1",
            "HF_ENDPOINT": hub,
            "HF_HOME": str(folder / "hf"),
        }

    @contextmanager
    def running(self, command: Sequence[str] = COMMAND) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("ab") as log:
            self.started = process = subprocess.Popen(command, env=self.env, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that was started last."""
        eventually(lambda: self.started is not None)
        assert self.started is not None
        self.started.send_signal(number)


@pytest.fixture
def way(hub: WritableHub, sending: Sending) -> Iterator[Proxy]:
    """The way of the process to the hub."""
    hub.token = SECRET
    sending.set_secret("hf", SECRET)
    with proxying(hub.url) as proxy:
        yield proxy


@pytest.fixture
def processes(way: Proxy, database_url: str, tmp_path: Path) -> Processes:
    return Processes(database_url, tmp_path, way.url)


def test_a_process_that_is_killed_in_mid_upload_is_replaced_after_its_lease(
    hub: WritableHub, way: Proxy, sending: Sending, processes: Processes
) -> None:
    job = sending.finish_job(TARGET)
    way.add("PUT", "/lfs/.*/3$", before=lambda: processes.send_signal(signal.SIGKILL))
    with processes.running() as first:
        assert first.wait(DEADLINE_S) == -signal.SIGKILL
    assert sending.output(job).state is OutputState.running
    assert "org/pruned" not in hub.commits
    with sending.sessions.begin() as session:
        session.execute(update(Output).values(lease_until=now(-timedelta(seconds=1))))
    with processes.running() as second:
        eventually(lambda: sending.output(job).state is OutputState.succeeded)
        limits = Path(f"/proc/{second.pid}/limits").read_text()
        assert f"Max data size             {2 << 30} " in limits
        second.terminate()
        assert second.wait(DEADLINE_S) == 0
    files = dict(hub.models["org/pruned"].files)
    del files[".gitattributes"]
    assert (files, len(hub.commits["org/pruned"])) == (SENT, 1)
    assert (sending.output(job).attempts, sending.output(job).failures) == (2, 1)
    assert SECRET not in processes.log.read_text()
    assert f"output 0 of {job.id}" in processes.log.read_text()


def test_a_process_that_is_stopped_returns_its_output(
    way: Proxy, sending: Sending, processes: Processes
) -> None:
    job = sending.finish_job(TARGET)
    way.add("PUT", "/lfs/.*/2$", before=lambda: processes.send_signal(signal.SIGTERM))
    with processes.running(PATIENT) as process:
        assert process.wait(DEADLINE_S) == 0
    output = sending.output(job)
    assert (output.state, output.failures) == (OutputState.waiting, 0)
