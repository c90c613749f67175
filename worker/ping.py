"""The program ``zpruner part ping``, by which containers are checked.

It runs once a minute for each container, so it imports what the named process is checked with:
SQLAlchemy for control, the client of the broker for a worker, and nothing of the worker itself.
"""

import argparse
import socket
import sys
from typing import NoReturn

from db.core import redaction
from db.core.broker_names import TRANSPORT_OPTIONS
from db.startup.connection_settings import ConnectionSettings
from db.startup.read_settings import SettingsError, read_settings

CONTROL = "control"
TIMEOUT_S = 20
"""How long a worker may take to respond; on a busy machine it can need more than five seconds."""
EXIT_CODE = 2


def main() -> None:
    name = _arguments().name
    redaction.install()
    try:
        settings = read_settings(ConnectionSettings)
    except SettingsError as error:
        _refuse(str(error))
    is_alive = control_is_alive(settings) if name == CONTROL else worker_is_alive(settings, name)
    sys.exit(not is_alive)


def control_is_alive(settings: ConnectionSettings) -> bool:
    """Return whether the control process has written its heartbeat in time."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - a worker's check needs no database

    from db.core.session import open_sessions  # noqa: PLC0415 - the same
    from db.scheduling.control_heartbeat import HeartbeatRepository  # noqa: PLC0415 - the same

    try:
        with open_sessions(settings.database)() as session:
            silence = HeartbeatRepository(session).age()
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        _refuse(f"the database reported an error: {reason}")
    return silence is not None and abs(silence) <= settings.heartbeat_timeout


def worker_is_alive(settings: ConnectionSettings, name: str) -> bool:
    """Return whether this machine's worker of that name responds through the broker.

    The message is that of Celery's own ``inspect ping``.
    """
    from kombu import Connection  # noqa: PLC0415 - the check of control needs no broker
    from kombu.exceptions import OperationalError  # noqa: PLC0415 - the same
    from kombu.pidbox import Mailbox  # noqa: PLC0415 - the same

    worker = f"{name}@{socket.gethostname()}"
    mailbox = Mailbox("celery", type="fanout", accept=["json"])
    try:
        with Connection(settings.broker, transport_options=TRANSPORT_OPTIONS) as connection:
            return bool(mailbox(connection).call([worker], "ping", timeout=TIMEOUT_S))
    except OperationalError as error:
        _refuse(f"the broker does not respond: {error}")


def _refuse(reason: str) -> NoReturn:
    for line in redaction.redact(reason).splitlines():
        sys.stderr.write(f"ping: {line}\n")
    sys.exit(EXIT_CODE)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "zpruner part ping",
        description="Exit with 0 if a worker of this machine, or control, responds.",
    )
    parser.add_argument("name", help="the worker's name, or control")
    return parser.parse_args()


if __name__ == "__main__":
    main()
