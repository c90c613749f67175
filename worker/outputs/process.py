"""The outputs process, ``zpruner part outputs``: sends the results of jobs to their outputs."""

import argparse
import logging
import os
import signal
import sys
import threading

from sqlalchemy.exc import SQLAlchemyError

from db.core import redaction
from db.core.logging_setup import configure
from db.core.session import Sessions, open_sessions
from db.scheduling.control_heartbeat import OUTPUTS, HeartbeatRepository
from db.startup import checks
from db.startup.encryption_keys import check_encryption
from db.startup.heartbeat_pipe import HeartbeatPipe
from db.startup.private_files import keep_private
from db.startup.settings import Settings
from worker.outputs.dispatcher import OutputDispatcher
from worker.outputs.hub import limit_timeouts

log = logging.getLogger(__name__)
GRACE_S = 4.0


def main() -> None:
    """Send outputs until a signal stops the process."""
    parser = argparse.ArgumentParser("zpruner part outputs", description=main.__doc__)
    parser.add_argument(
        "--ping", action="store_true", help="exit with 0 if such a process runs, and send nothing"
    )
    is_ping = parser.parse_args().ping
    redaction.install()
    with checks.exit_on_error("outputs"):
        settings = checks.read_settings(Settings)
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
    if is_ping:
        sys.exit(not _is_running(sessions, settings))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    limit_timeouts()
    dispatcher = OutputDispatcher.of(sessions, settings)
    dispatcher.start()
    _report_liveness(dispatcher, sessions, settings.beat_every_s, stop)
    dispatcher.stop(GRACE_S)
    logging.shutdown()
    os._exit(0)  # threads of clients may wait for a target


def _report_liveness(
    dispatcher: OutputDispatcher, sessions: Sessions, every_s: float, stop: threading.Event
) -> None:
    """Send heartbeats until ``stop`` is set, but none once the dispatcher has ended."""
    pipe = HeartbeatPipe()
    while dispatcher.is_alive:
        pipe.beat()
        try:
            with sessions.begin() as session:
                HeartbeatRepository(session).record(OUTPUTS)
        except SQLAlchemyError as error:
            log.warning("the heartbeat cannot be stored: %s", error)
        if stop.wait(every_s):
            return


def _is_running(sessions: Sessions, settings: Settings) -> bool:
    with sessions() as session:
        silence = HeartbeatRepository(session).age(OUTPUTS)
    return silence is not None and abs(silence) <= settings.heartbeat_timeout


if __name__ == "__main__":
    main()
