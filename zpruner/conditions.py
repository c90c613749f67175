"""What has to be so before the service starts, and what a person is told where it is not."""

import errno
import fcntl
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.door import DoorSettings
from db.keys import KeyRepository
from db.session import open_sessions

ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class ServeError(Exception):
    """The service cannot start; the text says what to do."""


def require_admin(settings: DoorSettings) -> None:
    """Start where keys are needed only if somebody has one that can make others.

    Raises:
        ServeError: nobody has.
    """
    if not settings.needs_keys:
        return
    sessions = open_sessions(settings.database)
    try:
        with sessions() as session:
            has_admin = KeyRepository(session).has_admin()
    finally:
        sessions.kw["bind"].dispose()
    if not has_admin:
        raise ServeError(
            f"host {settings.host!r} with ZPRUNER_AUTH={settings.auth} asks every caller for a "
            "key, and there is none yet that can make others. Make it, with the same settings, by\n"
            "  zpruner keys bootstrap NAME\n"
            "or serve on 127.0.0.1 first and use `zpruner keys create NAME --admin`. Where a proxy "
            "or a firewall decides who may come in, set ZPRUNER_AUTH=none."
        )


def require_port(settings: DoorSettings) -> None:
    """Start only where nobody listens yet: another service's answers would pass for ours.

    Raises:
        ServeError: the address cannot be listened on.
    """
    try:
        _listen(settings.host, settings.port)
    except OSError as error:
        raise ServeError(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}. Stop what "
            "listens there, or set another ZPRUNER_HOST or ZPRUNER_PORT (--host, --port)."
        ) from None


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Hold the data folder, so that two services never share it.

    Raises:
        ServeError: another service holds it.
    """
    with (data_dir / "serve.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ServeError(
                f"another service runs in {data_dir}: stop it, or set another ZPRUNER_DATA_DIR"
            ) from None
        yield


def _listen(host: str, port: int) -> None:
    """Listen for a moment wherever the API will."""
    places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for family, _, _, _, place in places:
        try:
            socket.create_server(place, family=family).close()
        except OSError as error:
            # `localhost` has an IPv6 address, too, where the machine has none.
            if error.errno not in ABSENT or len(places) == 1:
                raise
