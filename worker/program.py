"""Workers as programs: ``zpruner part worker`` and ``ping``.

Celery's own command puts the current folder on ``sys.path`` to find an application by its name;
this one is given the application.
"""

import argparse
import socket
import sys

from db.core.broker_names import GPU_QUEUE
from db.scheduling.control_heartbeat import CONTROL, HeartbeatRepository
from worker.tasks import app, sessions, settings

WORKER = ("--quiet", "worker", "--without-gossip", "--without-mingle")
ANSWERS_WITHIN_S = 5


def main() -> None:
    """Be one of them until told to stop."""
    arguments = _arguments()
    if arguments.program == "ping":
        name = arguments.name
        sys.exit(not (_control_lives() if name == CONTROL else _answers(name)))
    name = f"{arguments.name}@%h"
    app.worker_main([*WORKER, "-Q", arguments.queues, "-n", name, "-l", "INFO"])


def _control_lives() -> bool:
    with sessions() as session:
        silence = HeartbeatRepository(session).age()
    return silence is not None and abs(silence) <= settings.silent_after


def _answers(name: str) -> bool:
    whom = [f"{name}@{socket.gethostname()}"]
    return bool(app.control.inspect(destination=whom, timeout=ANSWERS_WITHIN_S).ping())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("zpruner part", description=__doc__)
    programs = parser.add_subparsers(dest="program", required=True)
    worker = programs.add_parser("worker", description="Take jobs from queues.")
    worker.add_argument("-Q", "--queues", default=GPU_QUEUE, help="names, separated by commas")
    worker.add_argument("-n", "--name", default=GPU_QUEUE, help="what tells it from others here")
    ping = programs.add_parser("ping", description="Exit with 0 if a worker here answers.")
    ping.add_argument("name", help="its name: gpu, or control")
    return parser.parse_args()


if __name__ == "__main__":
    main()
