"""Starts the service and Flower as child processes, so that they can be measured."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.llama import RandomLlama
from demo.service import free_port

TEXT = "The quick brown fox jumps over the lazy dog.\n" * 4000


@contextmanager
def serving(folder: Path, **settings: str) -> Iterator[str]:
    """Run the whole service with a small local model and a local text; yield its URL."""
    RandomLlama(blocks=1, width=32, intermediate=64, heads=2, vocabulary=256).write(folder / "tiny")
    (folder / "text.txt").write_text(TEXT)
    port = free_port()
    roots = {"ZPRUNER_MODEL_ROOTS": str(folder), "ZPRUNER_DATASET_ROOTS": str(folder)}
    roots["ZPRUNER_RATE_LIMIT_PER_MINUTE"] = "0"  # all callers share one address
    environment = os.environ | roots | settings | {"ZPRUNER_DATA_DIR": str(folder / "data")}
    command = [sys.executable, "-P", "-m", "zpruner", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        try:
            if not service.stdout.readline():  # printed once the service is ready
                raise SystemExit("the service did not start: its messages are above")
            yield f"http://127.0.0.1:{port}"
        finally:
            service.terminate()


@contextmanager
def flower(folder: Path) -> Iterator[str]:
    """Run Flower on the service's broker; yield Flower's URL."""
    port = free_port()
    environment = os.environ | {
        "ZPRUNER_DATA_DIR": str(folder / "data"),
        "FLOWER_UNAUTHENTICATED_API": "true",
    }
    command = [sys.executable, "-P", "-m", "celery", "-A", "worker.tasks", "--quiet", "flower"]
    command += [f"--port={port}", "--address=127.0.0.1", "--logging=error"]
    with subprocess.Popen(command, env=environment) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(f"{url}/api/tasks")
            yield url
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            httpx.get(url, trust_env=False).raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return
