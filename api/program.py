"""The API program, which ``zpruner part api`` runs."""

import argparse
import gc
import os
import socket
import sys

import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.core.settings import ApiSettings
from api.middleware.connections import server_config
from db.startup import checks
from db.startup.artifact_storage import check_artifacts
from db.startup.connection_limit import connection_limit
from db.startup.encryption_keys import check_encryption
from db.startup.program import command
from db.startup.read_settings import read_settings

SHUTDOWN_TIMEOUT_S = 5
"""How long a shutdown waits for open requests; without a limit, event streams would prevent it."""
EXIT_NOT_STARTED = 3
SWITCH_INTERVAL_S = 0.0005
"""How long a thread may hold the GIL while others wait for it. With Python's default of 5 ms, the
event loop could wait that long for the GIL after each of its system calls."""
SUPERVISOR = "zpruner.serve.api_processes"


def main() -> None:
    """Serve the API until a signal stops the process."""
    arguments = _arguments()
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    # The application reads its settings again: whether a key is needed depends on the host.
    os.environ |= {f"ZPRUNER_{name.upper()}": str(value) for name, value in given.items()}
    with checks.exit_on_error("api"):
        settings = read_settings(ApiSettings)
        if settings.api_workers > 1 and settings.api_process is None:
            _supervise(settings)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    config = server_config(
        _application,
        factory=True,
        host=settings.host,
        port=settings.port,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    server = uvicorn.Server(config)
    inherited = [socket.socket(fileno=number) for number in settings.listening]
    server.run(inherited or None)
    if not server.started:
        sys.exit(EXIT_NOT_STARTED)


def _application() -> FastAPI:
    """Return the application, and exclude its objects from garbage collection.

    Each full collection would take 150 ms to examine them.
    """
    app = create_app()
    gc.collect()
    gc.freeze()
    return app


def _supervise(settings: ApiSettings) -> None:
    """Replace this process with one that starts and supervises several API processes.

    Raises:
        SettingsError: a check failed, so none of these processes could start.
        SQLAlchemyError: the database cannot be reached.
    """
    checks.require([*checks.folders(settings), checks.database(settings.database)])
    checks.require([check_encryption(settings), *check_artifacts(settings)])
    checks.require(connection_limit(settings))
    arguments = command(SUPERVISOR)
    os.execv(arguments[0], arguments)  # noqa: S606 - our own module, which `api` must not import


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("zpruner part api", description=main.__doc__)
    parser.add_argument("--host", help="address to listen on (ZPRUNER_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (ZPRUNER_PORT, 8000)")
    parser.add_argument(
        "--workers",
        type=int,
        dest="api_workers",
        metavar="N",
        help="number of processes (ZPRUNER_API_WORKERS, 1)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
