"""The worker program, ``zpruner part worker``.

It replaces Celery's own command, which adds the current folder to ``sys.path`` before it imports
the application.
"""

import argparse
import warnings

from celery.platforms import SecurityWarning
from pydantic_core import PydanticCustomError

from db.core.broker_names import GPU_QUEUE
from db.startup.settings import check_queues
from worker.tasks import app

WORKER = ("--quiet", "worker", "--without-gossip", "--without-mingle")


def main() -> None:
    # Celery warns of a superuser because a message could be code. Here it is JSON with a job's id.
    warnings.simplefilter("ignore", SecurityWarning)
    arguments = _arguments()
    name = f"{arguments.name}@%h"
    app.worker_main([*WORKER, "-Q", arguments.queues, "-n", name, "-l", "INFO"])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("zpruner part worker", description="Run jobs from queues.")
    parser.add_argument(
        "-Q", "--queues", type=_queues, default=GPU_QUEUE, help="queue names, comma-separated"
    )
    parser.add_argument("-n", "--name", default=GPU_QUEUE, help="a name unique on this machine")
    return parser.parse_args()


def _queues(text: str) -> str:
    try:
        check_queues(text.split(","))
    except PydanticCustomError as refused:
        raise argparse.ArgumentTypeError(refused.message()) from None
    return text


if __name__ == "__main__":
    main()
