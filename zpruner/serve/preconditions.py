"""What has to be so before the service starts, and what a person is told where it is not."""

import errno
import fcntl
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from db.access.keys import KeyRepository
from db.core.session import open_sessions
from db.files.artifact_store import ArtifactStore
from db.jobs.releases import release
from db.scheduling.recovery import RecoveryRepository
from db.startup.lease_holders import all_dead
from db.startup.server_settings import DoorSettings

DEAD_WITHIN_S = 5.0
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


@contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Listen where the API will, for as long as the service runs.

    The API is given these sockets: nobody else can listen there, not even while it is restarted.

    Raises:
        ServeError: the address cannot be listened on.
    """
    with ExitStack() as stack:
        try:
            sockets = [stack.enter_context(one) for one in _listen(host, port)]
        except OSError as error:
            raise ServeError(
                f"cannot listen on {host} port {port}: {error.strerror}. Stop what listens there, "
                "or set another ZPRUNER_HOST or ZPRUNER_PORT (--host, --port)."
            ) from None
        yield sockets


def release_leases(settings: DoorSettings, dead_within_s: float = DEAD_WITHIN_S) -> None:
    """Release the leases that an earlier service's workers left when they were killed with it."""
    sessions, host = open_sessions(settings.database), socket.gethostname()
    try:
        with sessions() as session:
            held = RecoveryRepository(session).held_on(host)
        if held and all_dead(settings.data_dir, dead_within_s):
            for job_id, worker in held:
                release(sessions, ArtifactStore(settings.artifact_dir), job_id, worker)
    finally:
        sessions.kw["bind"].dispose()


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


def _listen(host: str, port: int) -> Iterator[socket.socket]:
    places = {one[4]: one[0] for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    for place, family in places.items():
        try:
            yield socket.create_server(place, family=family)
        except OSError as error:
            # `localhost` has an IPv6 address, too, where the machine has none.
            if error.errno not in ABSENT or len(places) == 1:
                raise
