"""Starts the services of docker-compose.yml: the API and the worker twice, and a bucket."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from demo.service import free_port
from tests.bucket_server import credentials
from tests.compose import COMPOSE
from tests.deploy.images.podman import Podman
from tests.e2e.embedded import write_inputs
from tests.waiting import DEADLINE_S, eventually
from zpruner import Client

PROJECT = "zpruner-test"
BUCKET = "zpruner"
IMAGES = {"redis": "valkey", "postgres": "postgres", "prometheus": "prometheus"}
"""The stand-ins for images of others. Debian has no package of Grafana, so it is left out."""
TWINS = {"api-2": "api", "worker-2": "worker"}
HEALTHY = {"condition": "service_healthy"}
CHECK_EVERY_S = 5
"""podman leaves the health checks to systemd's timers, which a machine may not have."""
READ_HEALTH = "import urllib.request as r; r.urlopen('http://127.0.0.1:8333/healthz', timeout=60)"
BUCKET_KEYS = credentials("http://bucket:8333")
SETTINGS = {
    "POSTGRES_PASSWORD": "0123456789abcdef",
    "REDIS_PASSWORD": "fedcba9876543210",
    "ZPRUNER_ARTIFACT_URL": f"s3://{BUCKET}/files",
    "ZPRUNER_LEASE_S": "15",
    "ZPRUNER_LOG_FORMAT": "json",
    "ZPRUNER_REAP_EVERY_S": "1",
    **BUCKET_KEYS,
}


class Topology:
    """The running containers, by the names of their services."""

    def __init__(self, podman: Podman, folder: Path) -> None:
        self.podman, self.file, self.port = podman, folder / "compose.yml", free_port()
        self.services = adapted(folder / "inputs")
        self._after = {name: one.pop("depends_on", {}) for name, one in self.services.items()}
        self._stopped = threading.Event()

    @property
    def long_running(self) -> list[str]:
        return [name for name in self.services if name != "migrate"]

    def start(self) -> None:
        """Start everything, and wait until all containers are healthy."""
        document = yaml.safe_load(COMPOSE.read_text())
        document = {name: document[name] for name in ("networks", "volumes")}
        document["volumes"]["bucket"] = {}
        self.file.write_text(yaml.safe_dump(document | {"services": self.services}))
        settings = SETTINGS | {"ZPRUNER_PORT": str(self.port)}
        lines = [f"{name}={value}\n" for name, value in settings.items()]
        self.file.with_name(".env").write_text("".join(lines))
        threading.Thread(target=self._check_health, daemon=True).start()
        self._start_all()
        await_state(lambda: [*self._health().values()].count("healthy") == len(self.long_running))

    def _start_all(self) -> None:
        """Start each service once what it depends on is as the compose file says.

        podman cannot start a container that depends on one that has ended, so the file that it
        reads has no dependencies.
        """
        waiting = self._after | {"migrate": self._after["migrate"] | {"bucket": HEALTHY}}
        while waiting:
            ready = [
                name
                for name, after in waiting.items()
                if all(self._is(*one) for one in after.items())
            ]
            if ready:
                self._compose("up", "--detach", *ready)
            waiting = {name: after for name, after in waiting.items() if name not in ready}
            time.sleep(1)

    def _is(self, service: str, wanted: dict[str, str]) -> bool:
        if wanted == HEALTHY:
            return self.health(service) == "healthy"
        assert wanted == {"condition": "service_completed_successfully"}
        state = self.inspect(service)["State"] if self._exists(service) else {"Status": "missing"}
        if state["Status"] != "exited":
            return False
        assert state["ExitCode"] == 0, self.logs(service)
        return True

    def stop(self) -> None:
        self._stopped.set()
        self._compose("down", "--volumes", "--timeout", "1")

    def client(self, service: str = "api") -> Client:
        """Return a client of one of the two containers of the API."""
        if service == "api":
            return Client(f"http://127.0.0.1:{self.port}")
        networks = self.inspect(service)["NetworkSettings"]["Networks"]
        return Client(f"http://{networks[f'{PROJECT}_outside']['IPAddress']}:8000")

    def inspect(self, service: str) -> dict[str, Any]:
        return self.podman.inspect(container(service))

    def health(self, service: str) -> str:
        return self._health().get(container(service), "missing")

    def _health(self) -> dict[str, str]:
        """Return the health of each container that runs, by its name."""
        chosen = ("--filter", f"name=^{PROJECT}_", "--filter", "status=running")
        lines = self.podman("ps", *chosen, "--format", "{{.Names}} {{.Status}}").splitlines()
        return {line.partition(" ")[0]: line.rpartition("(")[2].rstrip(")") for line in lines}

    def _exists(self, service: str) -> bool:
        found = self.podman("ps", "--all", "--quiet", "--filter", f"name=^{container(service)}$")
        return bool(found)

    def run(self, service: str, *command: str, check: bool = True) -> str:
        """Run a command in a container; return what it has printed."""
        return self.podman("exec", container(service), *command, check=check)

    def logs(self, service: str) -> list[str]:
        done = self.podman("logs", container(service), stderr=subprocess.STDOUT)
        return done.splitlines()

    def pid(self, service: str) -> int:
        return int(self.inspect(service)["State"]["Pid"])

    def kill(self, service: str) -> datetime:
        """Kill all processes of a container, and wait until it runs again and is healthy.

        Returns when they were killed.
        """
        killed = self.pid(service)
        os.kill(killed, signal.SIGKILL)
        killed_at = datetime.now(UTC)
        await_state(lambda: self.pid(service) not in (0, killed))
        await_state(lambda: self.health(service) == "healthy")
        return killed_at

    def _check_health(self) -> None:
        while not self._stopped.wait(CHECK_EVERY_S):
            for name, health in self._health().items():
                if health != "healthy":
                    self.podman("healthcheck", "run", name, check=False)

    def _compose(self, *arguments: str) -> None:
        program = (sys.executable, "-m", "podman_compose", "--in-pod", "false")
        command = [*program, "--project-name", PROJECT, *arguments]
        done = subprocess.run(
            command,
            cwd=self.file.parent,
            env=self.podman.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{done.stdout[-4000:]}{done.stderr[-6000:]}"


@contextmanager
def started(podman: Podman, folder: Path) -> Iterator[Topology]:
    """Run the containers during the block; nothing is left of them afterwards."""
    write_inputs(folder / "inputs")
    for path in (folder / "inputs", *(folder / "inputs").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    topology = Topology(podman, folder)
    try:
        topology.start()
        yield topology
    finally:
        topology.stop()


def await_state(condition: Callable[[], bool]) -> None:
    """Wait for a state of containers; podman is asked once a second, because it is slow."""

    def asked() -> bool:
        time.sleep(1)
        return condition()

    eventually(asked, within_s=2 * DEADLINE_S)


def container(service: str) -> str:
    return f"{PROJECT}_{service}_1"


def adapted(inputs: Path) -> dict[str, dict[str, Any]]:
    """Return the compose file's services: with stand-ins, without GPUs, and two of them twice."""
    services: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text())["services"]
    del services["grafana"]
    for name, service in services.items():
        for key in ("build", "deploy", "profiles"):
            service.pop(key, None)
        stand_in = f"stand-in-{IMAGES[name]}" if name in IMAGES else service["image"]
        service["image"] = f"localhost/{stand_in}"
        service["volumes"] = [volume(one, inputs) for one in service.get("volumes", ())]
        if "healthcheck" in service:  # a busy machine needs longer than the compose file allows
            service["healthcheck"]["timeout"] = f"{DEADLINE_S}s"
    for twin, of in TWINS.items():
        services[twin] = {
            key: deepcopy(value) for key, value in services[of].items() if key != "ports"
        }
    hardened = ("restart", "init", "read_only", "cap_drop", "security_opt")
    services["bucket"] = {
        **{key: deepcopy(services["redis"][key]) for key in hardened},
        "image": "localhost/stand-in-bucket",
        "user": "10001:10001",
        "tmpfs": ["/tmp:size=64m,mode=1777"],
        "environment": BUCKET_KEYS,
        "volumes": ["bucket:/data"],
        "networks": ["inside"],
        "healthcheck": {"test": ["CMD", "python", "-c", READ_HEALTH]},
    }
    return services


def volume(mount: str, inputs: Path) -> str:
    """Return a mount of the compose file with folders of this test."""
    for name in ("MODELS_DIR", "DATASETS_DIR"):
        mount = mount.replace(f"${{{name}:-./{name.partition('_')[0].lower()}}}", str(inputs))
    return mount.replace("./deploy", str(COMPOSE.parent / "deploy"))
