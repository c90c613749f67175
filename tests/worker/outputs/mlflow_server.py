"""A real MLflow tracking server on loopback."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.reserved_port import reserved_port
from tests.waiting import DEADLINE_S


@dataclass(frozen=True)
class Tracking:
    """The server, read through its own API, but not with the code that is tested."""

    url: str

    def runs(self, experiment: str) -> list[dict[str, Any]]:
        """Return the runs of an experiment; none if it does not exist."""
        found = self._get("experiments/get-by-name", {"experiment_name": experiment})
        if "experiment" not in found:
            return []
        ids = [found["experiment"]["experiment_id"]]
        return list(self._post("runs/search", {"experiment_ids": ids}).get("runs", []))

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """Return the values of a metric by step, and fail if a step has several."""
        found = self._get("metrics/get-history", {"run_id": run_id, "metric_key": metric})
        points = [(one["step"], one["value"]) for one in found["metrics"]]
        assert len(points) == len(dict(points))
        return dict(points)

    def artifact(self, run: dict[str, Any], name: str) -> bytes:
        folder = run["info"]["artifact_uri"].removeprefix("mlflow-artifacts:").lstrip("/")
        path = f"/api/2.0/mlflow-artifacts/artifacts/{folder}/{name}"
        return httpx.get(f"{self.url}{path}", timeout=DEADLINE_S).raise_for_status().content

    def _get(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.url}/api/2.0/mlflow/{path}"
        return dict(httpx.get(url, params=params, timeout=DEADLINE_S).json())

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        url = f"{self.url}/api/2.0/mlflow/{path}"
        return dict(httpx.post(url, json=body, timeout=DEADLINE_S).json())


@contextmanager
def tracking(folder: Path) -> Iterator[Tracking]:
    """Start the server, and yield it when it responds."""
    env = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    with reserved_port() as port, (folder / "mlflow.log").open("wb") as log:
        server = subprocess.Popen(
            _command(port, folder),
            env=env,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield _ready(Tracking(f"http://127.0.0.1:{port}"), server, folder / "mlflow.log")
        finally:
            os.killpg(server.pid, 9)
            server.wait()


def _command(port: int, folder: Path) -> list[str]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"]
    command += ["--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    return [*command, "--artifacts-destination", str(folder / "artifacts")]


def _ready(server: Tracking, process: subprocess.Popen[bytes], log: Path) -> Tracking:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{server.url}/health").is_success:
                return server
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"MLflow did not start: {log.read_text()[-2000:]}")
