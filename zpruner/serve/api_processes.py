"""The processes of the API, and a program that supervises them if only the API is started.

``zpruner part api`` replaces itself with that program if several processes are requested.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from db.core import redaction
from db.core.logging_setup import configure
from db.startup import checks
from db.startup.private_files import keep_private
from db.startup.program import stop_signal
from db.startup.read_settings import read_settings
from db.startup.server_settings import ServerSettings
from zpruner.parts import programs
from zpruner.serve.preconditions import ServeError, listening
from zpruner.serve.shared_folder import shared_folder
from zpruner.serve.supervisor import Child, Supervisor

GRACE_S = 8.0
"""How many seconds a process of the API may take to end.

This is more than the five seconds that it waits for open requests and streams, and less than the
ten that Docker waits for a container.
"""


def main() -> None:
    """Serve until the process receives a stop signal."""
    redaction.install()
    stop, supervisor = stop_signal(), Supervisor()
    try:
        with checks.exit_on_error("api"):
            settings = read_settings(ServerSettings)
            keep_private(settings.data_dir)
        configure(settings.log_format)
        with listening(settings.host, settings.port) as sockets, api_folder(settings) as folder:
            fds = [sock.fileno() for sock in sockets]
            try:
                for child in api_children(settings, os.environ, fds, folder):
                    supervisor.add(child)
                supervisor.run(stop)
            finally:
                for sock in sockets:
                    sock.close()
                supervisor.end()
    except (ServeError, OSError) as error:
        sys.stderr.write(f"api: {error}\n")
        sys.exit(checks.EXIT_CODE)


def api_folder(settings: ServerSettings) -> AbstractContextManager[Path | None]:
    """Create the folder that the API's processes share; with a single process, yield None."""
    return nullcontext() if settings.api_workers == 1 else shared_folder()


def api_children(
    settings: ServerSettings, env: Mapping[str, str], fds: Sequence[int], folder: Path | None
) -> list[Child]:
    """Return the processes of the API; all of them accept connections on the same sockets.

    Args:
        settings: the settings; they determine the number of processes.
        env: the environment variables of each process, without those that this function adds.
        fds: descriptors of the sockets.
        folder: the folder that the processes share; None if there is only one process.
    """
    command = programs.command("api", "--host", settings.host, "--port", str(settings.port))
    listens = {"ZPRUNER_LISTENING": ",".join(map(str, fds))}

    def child(name: str, numbered: Mapping[str, str]) -> Child:
        silent_after_s = settings.heartbeat_timeout.total_seconds()
        return Child(name, command, {**env, **listens, **numbered}, GRACE_S, silent_after_s, fds)

    if settings.api_workers == 1:
        return [child("api", {"ZPRUNER_API_WORKERS": "1"})]
    shared = {"ZPRUNER_API_SHARED_DIR": str(folder)}
    numbers = range(1, settings.api_workers + 1)
    return [child(f"api {n}", shared | {"ZPRUNER_API_PROCESS": str(n)}) for n in numbers]


if __name__ == "__main__":
    main()
