"""Two processes of one API, each on its own port, so that a test chooses which one it calls."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx

from db.startup import program
from demo.service import free_port
from tests.suite.starts import StartError
from tests.waiting import DEADLINE_S

START_TIMEOUT_S = 180
BURST = 100
CONCURRENT = 24
NO_SUCH = "127.0.0.1:9"  # nothing listens there
SETTINGS = {
    "HF_ENDPOINT": f"http://{NO_SUCH}",
    "ZPRUNER_BROKER_URL": f"redis://{NO_SUCH}/0",
    "ZPRUNER_RATE_LIMIT_PER_MINUTE": "1",
    "ZPRUNER_RATE_LIMIT_BURST": str(BURST),
}
JOB = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
JSON = dict[str, Any]


class ApiProcess:
    """One of the processes."""

    def __init__(self, number: int, environment: dict[str, str]) -> None:
        port = free_port()
        command = program.command("api.program", "--port", str(port))
        self._process = subprocess.Popen(
            command, env=environment | {"ZPRUNER_API_PROCESS": str(number)}
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)

    def wait(self) -> None:
        """Wait until it responds."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self.http.get("/healthz").raise_for_status()
            except httpx.HTTPError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise StartError(f"an API process did not start: {error}") from error
                time.sleep(0.1)
            else:
                return

    def close(self) -> None:
        self.http.close()
        self._process.terminate()
        self._process.wait()


@contextmanager
def running_pair(database: str, folder: Path, **settings: str) -> Iterator[list[ApiProcess]]:
    """Run two processes on a database, with a shared folder below ``folder``."""
    (folder / "shared").mkdir()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("ZPRUNER_")}
    places = {
        "ZPRUNER_DATABASE_URL": database,
        "ZPRUNER_DATA_DIR": str(folder / "data"),
        "ZPRUNER_API_SHARED_DIR": str(folder / "shared"),
    }
    with ExitStack() as stack:
        pair = [ApiProcess(number, inherited | SETTINGS | settings | places) for number in (1, 2)]
        for one in pair:
            stack.callback(one.close)
        for one in pair:
            one.wait()
        yield pair


def concurrently(
    pair: Sequence[ApiProcess], count: int, call: Callable[[httpx.Client], httpx.Response]
) -> list[httpx.Response]:
    """Make ``count`` calls, many of them at once, of each process in turn."""
    clients = [pair[number % len(pair)].http for number in range(count)]
    with ThreadPoolExecutor(CONCURRENT) as pool:
        return list(pool.map(call, clients))


def connection(one: ApiProcess) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", one.http.base_url.port, timeout=DEADLINE_S)
