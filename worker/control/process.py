"""The control process, ``zpruner part control``: runs the periodic tasks and sends webhooks.

It does not use Celery's scheduler, because that follows the wall clock: if the clock is set back by
an hour, no task runs for an hour.
"""

import argparse
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from db.core import redaction
from db.core.logging_setup import configure
from db.core.session import Sessions, open_sessions
from db.events.event_order import order_events
from db.files.stores import SHORT_RETRY_FOR, open_store, open_uploads
from db.scheduling.control_heartbeat import HeartbeatRepository
from db.scheduling.samples import SampleRepository
from db.startup import checks
from db.startup.fork_requests import inherited
from db.startup.heartbeat_pipe import HeartbeatPipe
from db.startup.private_files import keep_private
from db.startup.program import stop_signal
from db.startup.read_settings import read_settings
from db.webhooks.fanout import fan_out
from worker.control import cleanup, retention
from worker.control.broker import Broker
from worker.control.estimator_process import EstimatorProcess
from worker.control.lease_recovery import LeaseRecovery
from worker.control.outputs_process import OutputsProcess
from worker.control.periodic_task import PeriodicTask
from worker.control.relay import relay
from worker.control.scrub import Scrub
from worker.pool.checks import check_control
from worker.settings import WorkerSettings
from worker.webhooks.dispatcher import WebhookDispatcher

logger = logging.getLogger(__name__)
GRACE_S = 3.0
SAMPLE_EVERY_S = 10.0


def main() -> None:
    """Run the periodic tasks and send webhooks, until a signal stops the process."""
    argparse.ArgumentParser("zpruner part control", description=main.__doc__).parse_args()
    redaction.install()
    with checks.exit_on_error("control"):
        settings = read_settings(WorkerSettings)
        checks.require(check_control(settings))
        keep_private(settings.data_dir)
    configure(settings.log_format, logging.WARNING)
    sessions = open_sessions(settings.database)
    stop = stop_signal()
    heartbeats = HeartbeatPipe()  # before the other processes start: they do not inherit it
    outputs = OutputsProcess(settings.heartbeat_timeout.total_seconds())
    fork_requests = inherited() if settings.forks else None
    with EstimatorProcess(fork_requests) as estimator:
        tasks = periodic_tasks(sessions, settings, estimator, outputs)
        # The thread of a task must not end before the process that it started: the kernel would
        # kill that process. So the outputs process is closed first.
        with _running(tasks), _sending(WebhookDispatcher.of(sessions, settings)), outputs:
            report_liveness(tasks, heartbeats, settings.beat_every_s, stop)


def periodic_tasks(
    sessions: Sessions,
    settings: WorkerSettings,
    estimator: EstimatorProcess,
    outputs: OutputsProcess,
) -> list[PeriodicTask]:
    """Return all periodic tasks. Each has its own thread, so that none waits for another."""
    store = open_store(settings, SHORT_RETRY_FOR)
    uploads = open_uploads(settings, SHORT_RETRY_FOR)
    broker, leases = Broker(settings), LeaseRecovery(sessions, store, settings)
    scrub = Scrub(
        sessions,
        store,
        every=timedelta(seconds=settings.scrub_every_s),
        bytes_per_s=settings.scrub_bytes_per_s,
    )

    def order_and_fan_out() -> None:
        order_events(sessions)
        fan_out(sessions)

    def clean_up() -> None:
        cleanup.delete_old_deliveries(sessions)
        cleanup.delete_old_events(
            sessions, events_s=settings.keep_events_s, audit_s=settings.keep_audit_s
        )
        cleanup.delete_orphans(sessions, store)
        cleanup.delete_orphaned_uploads(sessions, uploads)

    short_s = settings.relay_every_s
    return [
        PeriodicTask(
            "relay", lambda: relay(sessions, broker.publish, broker.message_count), short_s
        ),
        PeriodicTask("events", order_and_fan_out, short_s),
        PeriodicTask("estimates", lambda: estimator.supervise(sessions), short_s),
        PeriodicTask("outputs", lambda: outputs.supervise(sessions), short_s),
        PeriodicTask("heartbeat", lambda: _write_heartbeat(sessions), settings.beat_every_s),
        PeriodicTask("samples", lambda: _sample(sessions), SAMPLE_EVERY_S),
        PeriodicTask("scrub", scrub.step, short_s),
        PeriodicTask("lease recovery", leases.run, settings.reap_every_s),
        PeriodicTask("cleanup", clean_up, settings.sweep_every_s),
        PeriodicTask(
            "retention",
            lambda: retention.delete_files(sessions, store, settings.retention),
            settings.sweep_every_s,
        ),
    ]


def report_liveness(
    tasks: Sequence[PeriodicTask], beats: HeartbeatPipe, every_s: float, stop: threading.Event
) -> None:
    """Send heartbeats to the supervisor until ``stop`` is set, but none while a task is stuck."""
    while True:
        if stuck := [task.name for task in tasks if task.is_stuck]:
            logger.error("waiting to be restarted: these tasks are stuck: %s", ", ".join(stuck))
        else:
            beats.beat()
        if stop.wait(every_s):
            return


def _write_heartbeat(sessions: Sessions) -> None:
    with sessions.begin() as session:
        HeartbeatRepository(session).record()


def _sample(sessions: Sessions) -> None:
    with sessions.begin() as session:
        SampleRepository(session).record()


@contextmanager
def _running(tasks: Sequence[PeriodicTask]) -> Iterator[None]:
    for task in tasks:
        task.start()
    try:
        yield
    finally:
        for task in tasks:
            task.stop()
        deadline = time.monotonic() + GRACE_S
        for task in tasks:
            task.join(max(0.0, deadline - time.monotonic()))


@contextmanager
def _sending(dispatcher: WebhookDispatcher) -> Iterator[None]:
    dispatcher.start()
    try:
        yield
    finally:
        dispatcher.stop(GRACE_S)


if __name__ == "__main__":
    main()
