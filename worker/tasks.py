"""The Celery application: the prune task, its messages, and the signals of a worker process."""

import logging
import os
import signal
import socket
import threading
from functools import partial
from typing import Any

from billiard import active_children
from billiard.exceptions import WorkerLostError
from celery import Celery, Task, signals
from celery.loaders.app import AppLoader
from celery.worker import state
from celery.worker.request import Request
from sqlalchemy.exc import SQLAlchemyError

from db.core import operator_keys, redaction
from db.core.broker_names import PRUNE_TASK
from db.core.ids import new_id
from db.core.logging_setup import configure
from db.core.session import open_sessions
from db.files.stores import SHORT_RETRY_FOR, open_store, open_uploads
from db.jobs import releases
from db.startup import checks, tracing
from db.startup.heartbeat_pipe import HeartbeatPipe
from db.startup.private_files import keep_private
from db.startup.read_settings import read_settings
from worker.attempts.engine import prune as engine
from worker.attempts.run import Runner
from worker.control import relay
from worker.device import Device, detect_in_subprocess
from worker.pool.celery_options import celery_options
from worker.pool.checks import check_worker
from worker.pool.heartbeat import WorkerHeartbeat
from worker.pool.usage import Usage, cpu_usage, gpu_usage
from worker.settings import WorkerSettings

redaction.install()
logger = logging.getLogger(__name__)
with checks.exit_on_error("worker"):
    settings = read_settings(WorkerSettings)
sessions = open_sessions(settings.database)
store, uploads = open_store(settings), open_uploads(settings)
stopping = threading.Event()
YIELD = signal.SIGUSR2

# Given as a class, because a loader's name, and Django's fixup, would be imported from the current
# folder.
app = Celery("worker", broker=settings.broker, loader=AppLoader, fixups=())
app.conf.update(celery_options(settings))


class JobRequest(Request):
    """A job's message, in the parent of the process that runs the job.

    If that process is lost, the job's lease is released first, and then the message is requeued.
    In the other order, a worker could drop the message, because the job would still seem to run.
    """

    def revoked(self) -> bool:
        """Drop the message if there is no work for it; return whether it was dropped.

        There is work if the message's job has lost its worker, or if any job of this worker's
        queues can start now. Without work, starting a process would only waste seconds. Messages
        without work are left over when, for example, waiting jobs are cancelled or paused.
        """
        if _has_work(self.kwargs["job_id"]):
            return bool(super().revoked())
        state.revoked.add(self.id)
        try:
            return bool(super().revoked())
        finally:
            state.revoked.discard(self.id)

    def on_failure(
        self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        """Release the child's lease; then Celery requeues the message if the process was lost.

        The traceback of a lost process shows only Celery's own frames, so it is not logged.
        """
        self._release_lease()
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if is_lost := isinstance(error, WorkerLostError):
            logger.warning("the process of job %s ended: %s", self.kwargs["job_id"], error)
        super().on_failure(exc_info, send_failed_event, return_ok or is_lost)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Release the lease of a child that is killed at the hard time limit."""
        super().on_timeout(soft, timeout)
        if not soft:
            self._release_lease()

    def _release_lease(self) -> None:
        worker = _worker_name(self.worker_pid)
        try:
            releases.release_jobs_of(sessions, open_store(settings, SHORT_RETRY_FOR), worker)
        except SQLAlchemyError:
            logger.exception("the lease of %s is not released before it expires", worker)


class JobTask(Task):
    """A task whose messages are handled as `JobRequest`."""

    Request = JobRequest


@app.task(name=PRUNE_TASK, base=JobTask)
def prune(job_id: str) -> None:
    """Run the most urgent job of this worker's queues, or ``job_id`` if none waits there."""
    runner = Runner(
        sessions,
        store,
        engine,
        settings,
        worker=_worker_name(os.getpid()),
        queues=settings.queues,
        uploads=uploads,
        stopping=stopping,
    )
    runner.run(job_id)


def _has_work(job_id: str) -> bool:
    try:
        worker_id = os.environ.get("ZPRUNER_WORKER_ID")
        return relay.has_work(sessions, job_id, _queues(), worker_id)
    except SQLAlchemyError:
        logger.exception(
            "could not find out whether %s is queued; a process will be started", job_id
        )
        return True


def _queues() -> list[str]:
    """Return the queues that this worker consumes."""
    return sorted(app.amqp.queues.consume_from)


def _worker_name(pid: int) -> str:
    return f"{socket.gethostname()}/{pid}"


def _usage(device: Device) -> Usage:
    if not device.name.startswith("cuda"):
        return cpu_usage()
    return gpu_usage(int(settings.device.partition(":")[2] or 0), settings.devices)


@signals.celeryd_init.connect
def _check_machine(**_: object) -> None:
    """Refuse to start if the machine does not match the settings."""
    with checks.exit_on_error("worker"):
        checks.require(check_worker(settings))
        keep_private(settings.data_dir)
    signal.signal(YIELD, signal.SIG_IGN)  # a child that has no handler yet has no job either


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | str | None = None, **_: object) -> None:
    configure(settings.log_format, loglevel or logging.INFO)


@signals.worker_process_init.connect
def _set_up_child(**_: object) -> None:
    signal.signal(YIELD, lambda *_: stopping.set())
    tracing.start(settings, "worker")


@signals.worker_process_init.connect
def _take_keys(**_: object) -> None:
    """Run after `_set_up_child`, because tracing reads a key; Celery keeps the order."""
    operator_keys.take()


@signals.celeryd_after_setup.connect
def _start_heartbeat(sender: str, instance: Any, **_: object) -> None:
    """Register this worker, and pass its id to its children."""
    queues = _queues()
    os.environ.pop("_MP_FORK_LOGLEVEL_", None)  # else each child logs a line in another format
    worker_id = new_id("wrk")
    os.environ |= {"ZPRUNER_WORKER_ID": worker_id, "ZPRUNER_QUEUES": ",".join(queues)}

    def on_drain(draining: bool) -> None:
        consumer = instance.consumer
        change = consumer.cancel_task_queue if draining else consumer.add_task_queue
        for queue in queues:
            consumer.call_soon(change, queue)

    heartbeat = WorkerHeartbeat(
        sessions,
        worker_id,
        sender,
        queues,
        detect_device=partial(detect_in_subprocess, settings.device),
        measure_usage=_usage,
        on_drain=on_drain,
        own_tasks=bool(settings.task_roots),
    )
    heartbeat.start()
    HeartbeatPipe().start(settings.beat_every_s)
    signals.worker_shutdown.connect(lambda **_: heartbeat.stop(), weak=False)


@signals.worker_shutting_down.connect
def _stop_children(**_: object) -> None:
    """Have the children requeue their jobs; a warm shutdown alone would wait for hours.

    Celery's soft shutdown is not used: it waits for its whole timeout even when nothing is running.
    """
    for child in active_children():
        os.kill(child.pid, YIELD)
