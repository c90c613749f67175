"""Run the whole service on one machine: broker, API, worker and control as one process tree."""

import argparse
import logging
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from sqlalchemy.exc import SQLAlchemyError

from db.core import redaction
from db.core.logging_setup import configure
from db.schema.migration import migrate
from db.startup.checks import error_text, settings_findings
from db.startup.encryption_keys import create_key_file
from db.startup.env_file import warn_of_ignored_file
from db.startup.fork_requests import FORK_REQUESTS_VARIABLE, connected
from db.startup.private_files import keep_private
from db.startup.program import stop_signal
from db.startup.read_settings import SettingsError, read_settings
from db.startup.server_settings import ServerSettings
from db.startup.settings import Grace
from db.startup.tracing import TracingError, is_enabled
from zpruner.parts import programs
from zpruner.serve import checks as parts
from zpruner.serve.api_processes import api_children, api_folder
from zpruner.serve.embedded_broker import OVERCOMMIT, BrokerError, broker_command
from zpruner.serve.preconditions import ServeError, listening, locked, release_leases, require_admin
from zpruner.serve.supervisor import Child, Supervisor

logger = logging.getLogger("zpruner")
READY_TIMEOUT_S = 300.0
"""How long the service may need to start.

The time in which a part waits for a processor does not count.
"""
CONTROL_GRACE_S = 12.0  # it ends the outputs process before its own tasks
EXIT_CODE = 2
REFUSALS = (ServeError, SettingsError, BrokerError, TracingError, SQLAlchemyError, OSError)


class ServeSettings(ServerSettings):
    """The settings of `zpruner serve`."""

    yield_grace_s: Grace = 5

    @property
    def url(self) -> str:
        """The URL of the API on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - no address to listen on
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def main() -> None:
    """Serve until the process receives a stop signal."""
    redaction.install()
    arguments, stop = _arguments(), stop_signal()
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    os.environ |= {f"ZPRUNER_{name.upper()}": str(value) for name, value in given.items()}
    try:
        warn_of_ignored_file("zpruner serve")
        settings = checked()
        configure(settings.log_format)
        serve(settings, stop)
    except REFUSALS as error:
        for line in error_text(error).splitlines():
            print(f"zpruner serve: {line}", file=sys.stderr)  # noqa: T201 - a message to the user
        sys.exit(EXIT_CODE)


def checked() -> ServeSettings:
    """Read the settings, check them and this machine, and return the settings.

    Raises:
        SettingsError: a check failed; the text has a line for each failed check.
    """
    try:
        settings = read_settings(ServeSettings)
    except SettingsError as error:
        parts.require([*settings_findings(error), *parts.check_parts()])
        raise
    parts.require([*parts.check_parts(), *parts.check_environment(settings)])
    return settings


def serve(settings: ServeSettings, stop: threading.Event) -> None:
    """Start all parts, print the URL, and supervise the parts until ``stop`` is set.

    Raises:
        ServeError: the data folder or port is in use, keys are required but there is no admin key,
            or the service was not ready in time.
        BrokerError: the embedded broker cannot be started.
        SettingsError: the data folder cannot be created, or cannot be made private.
        TracingError: tracing is enabled, but its packages are not installed.
    """
    is_enabled(settings)  # raises here rather than in each child
    keep_private(settings.data_dir)
    with (
        locked(settings.data_dir),
        listening(settings.host, settings.port) as sockets,
        api_folder(settings) as folder,
        connected() as fork_requests,
    ):
        migrate(settings.database)
        require_admin(settings)
        create_key_file(settings)
        release_leases(settings)
        supervisor = Supervisor()
        brokers, instance = 0, secrets.token_hex(16)
        try:
            if settings.broker_url is None:
                _start_broker(supervisor, settings)
                brokers = 1
            fds = [sock.fileno() for sock in sockets]
            for child in children(settings, fds, instance, folder, fork_requests):
                supervisor.add(child)
            _announce(supervisor, settings, instance, stop)
            supervisor.run(stop)
        finally:
            logger.info("stopping")
            for sock in sockets:
                sock.close()
            supervisor.end(last=brokers)


def children(
    settings: ServeSettings,
    fds: Sequence[int] = (),
    instance: str = "",
    folder: Path | None = None,
    fork_requests: Sequence[socket.socket] = (),
) -> list[Child]:
    """Return the processes but for the broker; docker-compose.yml runs the same programs.

    Args:
        settings: the settings, passed to all parts in their environment.
        fds: descriptors of the sockets that the API listens on.
        instance: an id that the API sends in a header, to distinguish this service from others.
        folder: the folder shared by the processes of the API, if there are several.
        fork_requests: two connected sockets, one for the worker and one for control.
    """
    env = programs.environment() | {
        "ZPRUNER_DATA_DIR": str(settings.data_dir),
        "ZPRUNER_HOST": settings.host,
        "ZPRUNER_PORT": str(settings.port),
        "ZPRUNER_AUTH": settings.auth,
        "ZPRUNER_YIELD_GRACE_S": str(settings.yield_grace_s),
        "ZPRUNER_QUEUES": ",".join(settings.queues),
        "ZPRUNER_LOG_FORMAT": settings.log_format,
        "ZPRUNER_TRACING": str(settings.tracing).lower(),
        "ZPRUNER_BEAT_EVERY_S": str(settings.beat_every_s),
    }
    worker = programs.command("worker", "-Q", ",".join(settings.queues))
    silent_after_s = settings.heartbeat_timeout.total_seconds()
    processes = [
        Child("worker", worker, env, settings.yield_grace_s + 5, silent_after_s),
        Child("control", programs.command("control"), env, CONTROL_GRACE_S, silent_after_s),
    ]
    for child, requests in zip(processes, fork_requests, strict=False):
        child.fds = [requests.fileno()]
        child.env = {**env, FORK_REQUESTS_VARIABLE: str(requests.fileno())}
    return [
        *processes,
        *api_children(settings, env | {"ZPRUNER_INSTANCE": instance}, fds, folder),
    ]


def _start_broker(supervisor: Supervisor, settings: ServeSettings) -> None:
    folder = settings.data_dir / "broker"
    folder.mkdir(exist_ok=True, mode=0o700)
    (folder / "broker.sock").unlink(missing_ok=True)  # left by a killed server
    supervisor.add(Child("broker", broker_command(folder), os.environ, omit=OVERCOMMIT))
    deadline = time.monotonic() + 10
    while not (folder / "broker.sock").exists():
        if time.monotonic() > deadline:
            raise BrokerError("the embedded broker did not start; its own messages are above")
        time.sleep(0.02)


def _announce(
    supervisor: Supervisor, settings: ServeSettings, instance: str, stop: threading.Event
) -> None:
    """Print the URL and the data folder once the whole service is ready."""
    began, url = time.monotonic(), settings.url
    with httpx.Client(base_url=url, timeout=5, trust_env=False) as api:
        while not stop.wait(0.2):
            supervisor.check()
            reason = not_ready_reason(api, instance)
            if reason is None:
                text = f"Z-Pruner is ready at {url}\nIts data folder is {settings.data_dir}"
                print(text, flush=True)  # noqa: T201 - the output of this command
                return
            if time.monotonic() - began - supervisor.longest_wait_s() > READY_TIMEOUT_S:
                raise ServeError(f"{url} is not ready after {READY_TIMEOUT_S:g} s: {reason}")


def not_ready_reason(api: httpx.Client, instance: str) -> str | None:
    """Return why this service's API is not ready; None if it reports that it is."""
    try:
        response = api.get("/readyz")
    except httpx.TransportError as error:
        return f"/readyz does not respond: {error}"
    if response.headers.get("zpruner-instance") != instance:
        return "another service responds at this address"
    return None if response.is_success else f"/readyz responds {response.text}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("zpruner serve", description=__doc__)
    parser.add_argument("--host", help="address to listen on (ZPRUNER_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (ZPRUNER_PORT, 8000)")
    parser.add_argument(
        "--api-workers",
        type=int,
        metavar="N",
        help="number of processes that serve the API (ZPRUNER_API_WORKERS, 1)",
    )
    parser.add_argument("--data-dir", type=Path, help="folder of all data (ZPRUNER_DATA_DIR)")
    parser.add_argument(
        "--env-file",
        type=Path,
        help="file with settings (ZPRUNER_ENV_FILE, by default .env in the data folder)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
