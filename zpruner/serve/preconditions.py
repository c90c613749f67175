"""Preconditions of `zpruner serve`: an admin key, a free port, a data folder of its own."""

import errno
import fcntl
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from db.access.keys import KeyRepository
from db.core.session import open_sessions
from db.files.stores import SHORT_RETRY_FOR, open_store
from db.jobs.releases import release_job
from db.scheduling.recovery import RecoveryRepository
from db.startup.lease_holders import all_exited
from db.startup.server_settings import ServerSettings

DEAD_WITHIN_S = 5.0
ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class ServeError(Exception):
    """The service cannot start; the message says why."""


def require_admin(settings: ServerSettings) -> None:
    """Raise an error if keys are required and there is no admin key.

    Raises:
        ServeError: keys are required, but there is no admin key.
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
            f"host {settings.host!r} with ZPRUNER_AUTH={settings.auth} requires a key "
            "from every client, and there is no admin key yet. Create one with the same settings:\n"
            "  zpruner keys bootstrap NAME\n"
            "or serve on 127.0.0.1 first and use `zpruner keys create NAME --admin`. If a proxy "
            "or a firewall controls access, set ZPRUNER_AUTH=none."
        )


@contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Listen on the API's address inside the block, and yield the listening sockets.

    The API's processes inherit the sockets, so that no other process can take the port while the
    API restarts.

    Raises:
        ServeError: listening failed, for example because the address is in use.
    """
    with ExitStack() as stack:
        try:
            sockets = [stack.enter_context(sock) for sock in _listen(host, port)]
        except OSError as error:
            raise ServeError(
                f"cannot listen on {host} port {port}: {error.strerror}. Stop what listens there, "
                "or set another ZPRUNER_HOST or ZPRUNER_PORT (--host, --port)."
            ) from None
        yield sockets


def release_leases(settings: ServerSettings, dead_within_s: float = DEAD_WITHIN_S) -> None:
    """Release the leases of workers that were killed together with an earlier service."""
    sessions, host = open_sessions(settings.database), socket.gethostname()
    store = open_store(settings, SHORT_RETRY_FOR)
    try:
        with sessions() as session:
            held = RecoveryRepository(session).held_on(host)
        if held and all_exited(settings.data_dir, dead_within_s):
            for job_id, worker in held:
                release_job(sessions, store, job_id, worker)
    finally:
        sessions.kw["bind"].dispose()


@contextmanager
def locked(data_dir: Path) -> Iterator[None]:
    """Lock the data folder, so that two services never share it.

    Raises:
        ServeError: another service has locked it.
    """
    with (data_dir / "serve.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ServeError(
                f"another service uses {data_dir}: stop it, or set another ZPRUNER_DATA_DIR"
            ) from None
        yield


def _listen(host: str, port: int) -> Iterator[socket.socket]:
    addresses = {
        info[4]: info[0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    }
    for address, family in addresses.items():
        try:
            yield socket.create_server(address, family=family)
        except OSError as error:
            # `localhost` may resolve to an IPv6 address on a machine without IPv6.
            if error.errno not in ABSENT or len(addresses) == 1:
                raise
