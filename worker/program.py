"""Celery's processes as programs: ``zpruner part worker``, ``control`` and ``ping``.

Celery's own command puts the current folder on ``sys.path`` to find an application by its name;
this one is given the application.
"""

import argparse
import socket
import sys

from db.wire import CONTROL_QUEUE, GPU_QUEUE
from worker.tasks import app

WORKER = ("--quiet", "worker", "--without-gossip", "--without-mingle")
CONTROL = ("-Q", CONTROL_QUEUE, "-n", f"{CONTROL_QUEUE}@%h", "--beat", "--pool", "solo")
ANSWERS_WITHIN_S = 5


def main() -> None:
    """Be one of them until told to stop."""
    arguments = _arguments()
    if arguments.program == "ping":
        sys.exit(not _answers(arguments.name))
    if arguments.program == "control":
        app.worker_main([*WORKER, *CONTROL, "-l", "WARNING"])
    else:
        name = f"{arguments.name}@%h"
        app.worker_main([*WORKER, "-Q", arguments.queues, "-n", name, "-l", "INFO"])


def _answers(name: str) -> bool:
    whom = [f"{name}@{socket.gethostname()}"]
    return bool(app.control.inspect(destination=whom, timeout=ANSWERS_WITHIN_S).ping())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("zpruner part", description=__doc__)
    programs = parser.add_subparsers(dest="program", required=True)
    worker = programs.add_parser("worker", description="Take jobs from queues.")
    worker.add_argument("-Q", "--queues", default=GPU_QUEUE, help="names, separated by commas")
    worker.add_argument("-n", "--name", default=GPU_QUEUE, help="what tells it from others here")
    programs.add_parser("control", description="Repair, schedule, estimate and send webhooks.")
    ping = programs.add_parser("ping", description="Exit with 0 if a worker here answers.")
    ping.add_argument("name", help="its name: gpu, or control")
    return parser.parse_args()


if __name__ == "__main__":
    main()
