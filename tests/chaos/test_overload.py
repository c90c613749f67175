"""An API whose database is held by another process, or whose descriptors clients use up."""

import os
import resource
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event

import httpx
import pytest

from db.access.keys import KeyRepository
from db.core.session import open_sessions
from db.startup import program
from demo.service import free_port
from tests.chaos.tally import Tally

pytestmark = pytest.mark.chaos

SHORT_LOCKS_S = (0.1, 0.2, 0.3) * 4
LONG_LOCK_S = 5.0
"""Longer than the API waits."""
FEW_DESCRIPTORS = 120
"""Less than a burst of clients takes at once."""
BURSTS, CLIENTS = 8, 300
ANSWERED_WITHIN_S = 120


@contextmanager
def api(database_url: str, folder: Path, descriptors: int | None = None) -> Iterator[httpx.Client]:
    """Run the API as a process, until the end of the block."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    own = {name: text for name, text in os.environ.items() if not name.startswith("ZPRUNER_")}
    own |= {"ZPRUNER_DATABASE_URL": database_url, "ZPRUNER_DATA_DIR": str(folder / "data")}
    own |= {"ZPRUNER_RATE_LIMIT_PER_MINUTE": "0", "ZPRUNER_BROKER_URL": "redis://127.0.0.1:9/0"}

    def limit() -> None:
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    with (folder / "log").open("w") as log:
        command = program.command("api.program", "--port", str(port))
        process = subprocess.Popen(command, env=own, cwd=Path.cwd(), stderr=log, preexec_fn=limit)
        try:
            with httpx.Client(base_url=url, timeout=ANSWERED_WITHIN_S) as client:
                assert answers(client), (folder / "log").read_text()
                yield client
        finally:
            process.terminate()
            process.wait()


def answers(client: httpx.Client) -> bool:
    """Whether the API reads rows for a client, now or soon."""
    deadline = time.monotonic() + ANSWERED_WITHIN_S
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if client.get("/v1/jobs").status_code == 200:
                return True
        time.sleep(0.1)
    return False


def read(client: httpx.Client, is_over: Event) -> list[str]:
    """Read until all is over; return what was not answered."""
    found = []
    while not is_over.is_set():
        for path in ("/healthz", "/v1/jobs", "/v1/events"):
            if (status := client.get(path).status_code) != 200:
                found.append(f"GET {path} was answered with {status}")
        time.sleep(0.05)
    return found


def write(client: httpx.Client, is_over: Event) -> tuple[set[str], list[str]]:
    """Make keys until all is over; return their ids, and what was answered wrongly."""
    made, found = set(), []
    while not is_over.is_set():
        answer = client.post("/v1/keys", json={"name": "one", "scopes": ["jobs:read"]})
        if answer.status_code == 201:
            made.add(answer.json()["id"])
        elif answer.status_code != 503 or "retry-after" not in answer.headers:
            found.append(f"POST /v1/keys was answered with {answer.status_code}: {answer.text}")
        time.sleep(0.05)
    return made, found


def hold(path: Path, seconds: float) -> None:
    """Keep everybody else from writing for a while."""
    holder = sqlite3.connect(path, isolation_level=None, timeout=ANSWERED_WITHIN_S)
    holder.execute("BEGIN IMMEDIATE").close()
    time.sleep(seconds)
    holder.rollback()
    holder.close()


def test_a_locked_database_under_load_loses_nothing_and_keeps_readers_served(
    migrated_sqlite_url: str, tmp_path: Path, tally: Tally
) -> None:
    path, is_over = tmp_path / "zpruner.db", Event()
    with api(migrated_sqlite_url, tmp_path) as client, ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read, client, is_over) for _ in range(3)]
        writers = [pool.submit(write, client, is_over) for _ in range(5)]
        for seconds in (*SHORT_LOCKS_S, LONG_LOCK_S):
            hold(path, seconds)
            tally.fault("SQLite locked under load")
        is_over.set()
        found = [one for reader in readers for one in reader.result()]
        found += [one for writer in writers for one in writer.result()[1]]
        made = {one for writer in writers for one in writer.result()[0]}
    sessions = open_sessions(migrated_sqlite_url)
    with sessions() as session:
        kept = {key.id for key in KeyRepository(session).all()}
    sessions.kw["bind"].dispose()
    if kept != made:
        found.append(
            f"{len(made - kept)} accepted changes are lost, {len(kept - made)} refused made"
        )
    tally.check("SQLite locked under load", found)
    assert found == []
    assert made


def test_an_api_that_ran_out_of_descriptors_recovers_and_logs_it_once(
    migrated_sqlite_url: str, tmp_path: Path, tally: Tally
) -> None:
    found: list[str] = []
    with api(migrated_sqlite_url, tmp_path, FEW_DESCRIPTORS) as client:
        address = (client.base_url.host, client.base_url.port or 0)
        for burst in range(BURSTS):
            with ExitStack() as lines:
                for _ in range(CLIENTS):
                    lines.enter_context(socket.create_connection(address, ANSWERED_WITHIN_S))
            tally.fault("descriptors used up")
            if not answers(client):
                found.append(f"the API does not answer after burst {burst}")
    log = (tmp_path / "log").read_text()
    if len(log) > 20_000:
        found.append(f"{len(log)} characters of log for {BURSTS * CLIENTS} connections")
    if "out of system resource" not in log:
        found.append("no descriptor was missing")
    tally.check("descriptors used up", found)
    assert found == []
