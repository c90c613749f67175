"""The program ``zpruner part ping``, by which containers are checked.

It runs once a minute for each container, so it imports neither the worker nor the tables of jobs.
"""

import argparse
import socket
import sys

from celery import Celery
from celery.loaders.app import AppLoader

from db.core import redaction
from db.core.broker_names import TRANSPORT_OPTIONS
from db.core.session import open_sessions
from db.scheduling.control_heartbeat import CONTROL, HeartbeatRepository
from db.startup import checks
from db.startup.settings import Settings

TIMEOUT_S = 20
"""How long a worker may take to respond; on a busy machine it can need more than five seconds."""


def main() -> None:
    name = _arguments().name
    redaction.install()
    with checks.exit_on_error("ping"):
        settings = checks.read_settings(Settings)
        is_alive = (
            control_is_alive(settings) if name == CONTROL else worker_is_alive(settings, name)
        )
    sys.exit(not is_alive)


def control_is_alive(settings: Settings) -> bool:
    """Return whether the control process has written its heartbeat in time."""
    with open_sessions(settings.database)() as session:
        silence = HeartbeatRepository(session).age()
    return silence is not None and abs(silence) <= settings.heartbeat_timeout


def worker_is_alive(settings: Settings, name: str) -> bool:
    """Return whether this machine's worker of that name responds through the broker."""
    app = Celery("ping", broker=settings.broker, loader=AppLoader, fixups=())
    app.conf.update(broker_transport_options=TRANSPORT_OPTIONS, result_backend=None)
    destination = [f"{name}@{socket.gethostname()}"]
    return bool(app.control.inspect(destination=destination, timeout=TIMEOUT_S).ping())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "zpruner part ping",
        description="Exit with 0 if a worker of this machine, or control, responds.",
    )
    parser.add_argument("name", help="the worker's name, or control")
    return parser.parse_args()


if __name__ == "__main__":
    main()
