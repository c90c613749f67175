"""Everything on one machine: broker, database, API, worker and janitor in one process tree."""

import argparse
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from dotenv import dotenv_values
from sqlalchemy.exc import SQLAlchemyError

from db.core import redaction
from db.core.logging_setup import configure
from db.core.session import migrate
from db.startup.checks import SettingsError, read, told, wrong_settings
from db.startup.private_files import keep_private
from db.startup.server_settings import DoorSettings
from db.startup.settings import Grace
from db.startup.tracing import TracingError, is_wanted
from zpruner import programs
from zpruner.serve import checks as parts
from zpruner.serve.embedded_broker import BrokerError, broker_command
from zpruner.serve.preconditions import ServeError, listening, locked, release_leases, require_admin
from zpruner.serve.supervisor import Child, Supervisor

log = logging.getLogger("zpruner")
READY_WITHIN_S = 120.0
REFUSED = 2
REFUSALS = (ServeError, SettingsError, BrokerError, TracingError, SQLAlchemyError, OSError)
PASSED_ON = ("HF_", "OTEL_", "ZPRUNER_")


class ServeSettings(DoorSettings):
    """Adds what the embedded form alone needs to the shared settings."""

    yield_grace_s: Grace = 5

    @property
    def url(self) -> str:
        """Where the API is reached from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - not listened on
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def main() -> None:
    """Serve until told to stop."""
    redaction.install()
    arguments = _arguments()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    try:
        settings = checked(given)
        configure(settings.log_format)
        serve(settings, stop)
    except REFUSALS as error:
        for line in told(error).splitlines():
            print(f"zpruner serve: {line}", file=sys.stderr)  # noqa: T201 - to people
        sys.exit(REFUSED)


def checked(given: Mapping[str, object]) -> ServeSettings:
    """Read the settings; have all parts check theirs, and this machine, before any starts.

    Raises:
        SettingsError: with a line for each that is wrong.
    """
    of_parts = parts.of_parts(given)
    try:
        settings = read(ServeSettings, **given)
    except SettingsError as error:
        parts.require([*wrong_settings(error), *of_parts])
        raise
    parts.require([*of_parts, *parts.of_surroundings(settings)])
    return settings


def serve(settings: ServeSettings, stop: threading.Event) -> None:
    """Start everything, announce the URL, look after it until ``stop``.

    Raises:
        ServeError: data folder or port is taken, or keys are needed and there is none.
        BrokerError: there is no broker to start.
        SettingsError: others may read the data folder.
        TracingError: traces are asked for, but not installed.
    """
    is_wanted(settings)  # raises here rather than in each child
    keep_private(settings.data_dir)
    with (
        locked(settings.data_dir),
        listening(settings.host, settings.port) as sockets,
    ):
        migrate(settings.database)
        require_admin(settings)
        release_leases(settings)
        supervisor = Supervisor()
        brokers, instance = 0, secrets.token_hex(16)
        try:
            if settings.broker_url is None:
                _start_broker(supervisor, settings)
                brokers = 1
            for child in children(settings, [one.fileno() for one in sockets], instance):
                supervisor.add(child)
            _announce(supervisor, settings.url, instance, stop)
            supervisor.run(stop)
        finally:
            log.info("stopping")
            for one in sockets:
                one.close()
            supervisor.end(last=brokers)


def environment() -> dict[str, str]:
    """Return this process's environment, with what ``.env`` adds to it.

    The parts read ``ZPRUNER_*`` from that file themselves; the libraries that ``HF_*`` and
    ``OTEL_*`` are for know only the environment.
    """
    told = dotenv_values(".env").items()  # a name without a value, as in .env.example, says nothing
    return {
        name: value for name, value in told if value and name.startswith(PASSED_ON)
    } | programs.environment()


def children(settings: ServeSettings, fds: Sequence[int] = (), instance: str = "") -> list[Child]:
    """Return the three parts of the service; docker-compose.yml runs the same commands.

    Args:
        settings: what all parts are told.
        fds: descriptors of the sockets that the API answers on.
        instance: what the API says, so that it is known from another service's.
    """
    env = environment() | {
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
    known = {"ZPRUNER_LISTENING": ",".join(map(str, fds)), "ZPRUNER_INSTANCE": instance}
    worker = programs.command("worker", "-Q", ",".join(settings.queues))
    address = ("--host", settings.host, "--port", str(settings.port))
    silent_after_s = settings.silent_after.total_seconds()
    return [
        Child("worker", worker, env, settings.yield_grace_s + 5, silent_after_s),
        Child("control", programs.command("control"), env, silent_after_s=silent_after_s),
        Child(
            "api",
            programs.command("api", *address),
            env | known,
            silent_after_s=silent_after_s,
            fds=fds,
        ),
    ]


def _start_broker(supervisor: Supervisor, settings: ServeSettings) -> None:
    folder = settings.data_dir / "broker"
    folder.mkdir(exist_ok=True, mode=0o700)
    (folder / "broker.sock").unlink(missing_ok=True)  # a killed server leaves its own
    supervisor.add(Child("broker", broker_command(folder), os.environ))
    deadline = time.monotonic() + 10
    while not (folder / "broker.sock").exists():
        if time.monotonic() > deadline:
            raise BrokerError("the embedded broker did not start; its own words are above")
        time.sleep(0.02)


def _announce(supervisor: Supervisor, url: str, instance: str, stop: threading.Event) -> None:
    """Print the URL once the whole service answers."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not stop.wait(0.2):
        supervisor.keep()
        if is_ready(url, instance):
            print(f"Z-Pruner is ready at {url}", flush=True)  # noqa: T201 - its answer
            return
        if time.monotonic() > deadline:
            raise ServeError(f"{url}/readyz did not answer within {READY_WITHIN_S:g} s")


def is_ready(url: str, instance: str) -> bool:
    """Whether our API answers there, and all that a job needs."""
    try:
        answer = httpx.get(f"{url}/readyz", timeout=5, trust_env=False)
    except httpx.TransportError:
        return False
    return answer.is_success and answer.headers.get("zpruner-instance") == instance


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("zpruner serve", description=__doc__)
    parser.add_argument("--host", help="address to listen on (ZPRUNER_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (ZPRUNER_PORT, 8000)")
    parser.add_argument("--data-dir", type=Path, help="where everything is kept (ZPRUNER_DATA_DIR)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
