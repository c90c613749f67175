"""``python -m worker.outputs.process``: sends the results of jobs to their outputs.

This is a process of its own, because a client of a hub or bucket may wait for its server without
end, and the control process must not. The control process starts it when an output is due.
"""

import logging
import os
import resource

from db.core import redaction
from db.core.logging_setup import configure
from db.core.session import open_sessions
from db.startup import checks
from db.startup.encryption_keys import check_encryption
from db.startup.heartbeat_pipe import HeartbeatPipe
from db.startup.private_files import keep_private
from db.startup.program import stop_signal
from db.startup.read_settings import read_settings
from db.startup.settings import Settings
from worker.outputs.dispatcher import OutputDispatcher
from worker.outputs.hub import limit_responses

logger = logging.getLogger(__name__)
GRACE_S = 4.0
HEARTBEAT_EVERY_S = 1.0
MEMORY_BYTES = 2 << 30
"""Several times what it needs. The client of buckets has no limit on the bodies that it reads."""


def main() -> None:
    """Send outputs until a signal stops the process."""
    _limit_memory()
    redaction.install()
    with checks.exit_on_error("outputs"):
        settings = read_settings(Settings)
        checks.require(
            [
                checks.data_folder(settings.data_dir),
                checks.database(settings.database),
                check_encryption(settings),
            ]
        )
        keep_private(settings.data_dir)
    configure(settings.log_format)
    # It warns at every upload that open files are not sent by Xet, and at every retry.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    sessions = open_sessions(settings.database)
    stop = stop_signal()
    limit_responses()
    dispatcher = OutputDispatcher.of(sessions, settings)
    dispatcher.start()
    heartbeats = HeartbeatPipe()
    while dispatcher.is_alive and not stop.wait(HEARTBEAT_EVERY_S):
        heartbeats.beat()
    dispatcher.stop(GRACE_S)
    logging.shutdown()
    os._exit(0)  # threads of clients may wait for a target


def _limit_memory() -> None:
    _, inherited = resource.getrlimit(resource.RLIMIT_DATA)
    limit = MEMORY_BYTES if inherited == resource.RLIM_INFINITY else min(MEMORY_BYTES, inherited)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, inherited))


if __name__ == "__main__":
    main()
