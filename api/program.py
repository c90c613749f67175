"""The program of the API: ``zpruner part api``."""

import argparse
import os
import socket
import sys

import uvicorn

from api.app import create_app
from api.middleware.connections import server_config
from api.settings import ApiSettings
from db.startup import checks

SHUTDOWN_TIMEOUT_S = 5
"""Without a limit, open event streams would prevent the shutdown."""
EXIT_NOT_STARTED = 3


def main() -> None:
    """Serve the API until a signal stops the process."""
    arguments = _arguments()
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    # The application reads its settings again: whether a key is needed depends on the host.
    os.environ |= {f"ZPRUNER_{name.upper()}": str(value) for name, value in given.items()}
    with checks.exit_on_error("api"):
        settings = checks.read_settings(ApiSettings)
    config = server_config(
        create_app,
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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("zpruner part api", description=main.__doc__)
    parser.add_argument("--host", help="address to listen on (ZPRUNER_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (ZPRUNER_PORT, 8000)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
