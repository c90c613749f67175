"""The worker programs, ``zpruner part worker`` and ``zpruner part ping``.

They replace Celery's own command, which adds the current folder to ``sys.path`` before it imports
the application.
"""

import argparse
import socket
import sys

from db.core.broker_names import GPU_QUEUE
from db.scheduling.control_heartbeat import CONTROL, HeartbeatRepository
from worker.tasks import app, sessions, settings

WORKER = ("--quiet", "worker", "--without-gossip", "--without-mingle")
PING_TIMEOUT_S = 5


def main() -> None:
    arguments = _arguments()
    if arguments.program == "ping":
        name = arguments.name
        sys.exit(not (_control_is_alive() if name == CONTROL else _worker_is_alive(name)))
    name = f"{arguments.name}@%h"
    app.worker_main([*WORKER, "-Q", arguments.queues, "-n", name, "-l", "INFO"])


def _control_is_alive() -> bool:
    with sessions() as session:
        silence = HeartbeatRepository(session).age()
    return silence is not None and abs(silence) <= settings.heartbeat_timeout


def _worker_is_alive(name: str) -> bool:
    destination = [f"{name}@{socket.gethostname()}"]
    return bool(app.control.inspect(destination=destination, timeout=PING_TIMEOUT_S).ping())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("zpruner part", description="Run or ping a worker.")
    programs = parser.add_subparsers(dest="program", required=True)
    worker = programs.add_parser("worker", description="Run jobs from queues.")
    worker.add_argument("-Q", "--queues", default=GPU_QUEUE, help="queue names, comma-separated")
    worker.add_argument("-n", "--name", default=GPU_QUEUE, help="a name unique on this machine")
    ping = programs.add_parser(
        "ping", description="Exit with 0 if a worker of this machine, or control, responds."
    )
    ping.add_argument("name", help="the worker's name, or control")
    return parser.parse_args()


if __name__ == "__main__":
    main()
