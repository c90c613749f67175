"""Runs the service as a child process, on a free port with its own data folder."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from demo.errors import DemoError

LOG = "serve.log"
STOP_TIMEOUT_S = 30
PORTS = range(16_000, 32_000)
"""Systems that may choose a port take a higher one, so they give none of these to another program
before the service listens on it."""


@contextmanager
def running_service(data_dir: Path, model_root: Path) -> Iterator[str]:
    """Run the service during the ``with`` block; yield its URL once it is ready."""
    port = free_port()
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / LOG
    with log.open("wb") as output:
        process = subprocess.Popen(
            (sys.executable, "-P", "-m", "zpruner", "serve"),
            env=_environment(port, data_dir, model_root),
            stdout=output,
            stderr=output,
            start_new_session=True,  # only the demo receives Ctrl-C, and then stops the service
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, process, log)
        yield url
    finally:
        _stop(process)


def free_port() -> int:
    """Return an unused port of the loopback interface."""
    while True:
        port = secrets.choice(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def _environment(port: int, data_dir: Path, model_root: Path) -> dict[str, str]:
    # The user's own settings would make the demo use the user's own service.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ZPRUNER_")}
    return inherited | {
        "ZPRUNER_DATA_DIR": str(data_dir),
        "ZPRUNER_MODEL_ROOTS": str(model_root),
        "ZPRUNER_HOST": "127.0.0.1",
        "ZPRUNER_PORT": str(port),
    }


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while not _is_ready(url):
        if process.poll() is not None:  # it ends if it is not ready in time
            raise DemoError(f"the service ended while starting; the end of its log:\n{_tail(log)}")
        time.sleep(0.2)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)  # as Ctrl-C does
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
