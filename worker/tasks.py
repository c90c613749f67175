"""The Celery shell: names, queues, limits, and what a dying process leaves undone."""

import logging
import os
import signal
import socket
import threading
from typing import Any

from billiard import active_children
from celery import Celery, Task, signals
from celery.platforms import set_pdeathsig
from celery.worker.request import Request
from sqlalchemy.exc import SQLAlchemyError

from db import redaction
from db.session import open_sessions
from db.store import ArtifactStore
from db.wire import (
    CONTROL_QUEUE,
    GPU_QUEUE,
    JANITOR_TASK,
    PRUNE_TASK,
    RELAY_TASK,
    SWEEP_TASK,
    TRANSPORT_OPTIONS,
)
from worker import janitor
from worker.desk import Desk
from worker.engine import prune as engine
from worker.run import Runner
from worker.settings import WorkerSettings

redaction.install()
log = logging.getLogger(__name__)
settings = WorkerSettings()
sessions = open_sessions(settings.database)
store = ArtifactStore(settings.artifact_dir)
stopping = threading.Event()
desk = Desk()
YIELD = signal.SIGUSR2

app = Celery("worker", broker=settings.broker)
app.conf.update(
    broker_connection_max_retries=None,
    broker_connection_retry_on_startup=True,
    broker_transport_options=TRANSPORT_OPTIONS,
    # The row is the result; a result backend would block publishing while it is down.
    task_ignore_result=True,
    result_backend=None,
    task_serializer="json",
    accept_content=["json"],
    task_default_queue=GPU_QUEUE,
    task_routes={name: {"queue": CONTROL_QUEUE} for name in (JANITOR_TASK, RELAY_TASK, SWEEP_TASK)},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_publish_retry=False,
    # The watch beside the job ends it at its limit; this is for a child whose watch hangs too.
    task_time_limit=settings.job_timeout_s + 60,
    worker_pool="prefork",
    worker_pool_start_method="spawn",
    worker_concurrency=1,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_max_tasks_per_child=1,
    worker_lost_wait=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={
        name: {"task": name, "schedule": every_s, "options": {"expires": 5 * every_s}}
        for name, every_s in (
            (JANITOR_TASK, settings.reap_every_s),
            (RELAY_TASK, settings.relay_every_s),
            (SWEEP_TASK, settings.sweep_every_s),
        )
    },
)


class HeldRequest(Request):
    """A job's message, as the parent of the process that runs it sees it.

    Requeued, it would meet the dead attempt's live lease and be dropped: give that back first.
    """

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> None:
        """Release what the child held, then requeue."""
        self._release()
        super().on_failure(exc_info, *args, **kwargs)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Release what the child held when it is killed at its hard limit."""
        super().on_timeout(soft, timeout)
        if not soft:
            self._release()

    def _release(self) -> None:
        try:
            janitor.release(sessions, store, self.kwargs["job_id"], _worker(self.worker_pid))
        except SQLAlchemyError:
            log.exception("the lease of %s has to run out by itself", self.kwargs["job_id"])


class HeldTask(Task):
    """A task whose messages are ``HeldRequest``."""

    Request = HeldRequest


@app.task(name=PRUNE_TASK, base=HeldTask)
def prune(job_id: str) -> None:
    """Run one job; the message carries only its id."""
    worker = _worker(os.getpid())
    Runner(sessions, store, engine, settings, worker=worker, stopping=stopping).run(job_id)


@app.task(name=JANITOR_TASK)
def reap() -> None:
    """Take back the jobs of workers that fell silent."""
    janitor.reap(sessions, store, settings.keep_unfinished)


@app.task(name=SWEEP_TASK)
def sweep() -> None:
    """Delete the files of deleted jobs whose deletion was cut short."""
    janitor.sweep(sessions, store)


@app.task(name=RELAY_TASK)
def relay() -> None:
    """Push the jobs that no worker has heard of, and have estimates answered."""
    janitor.relay(sessions, _push)
    desk.tend(sessions)


def _push(job_id: str) -> None:
    app.send_task(PRUNE_TASK, kwargs={"job_id": job_id}, queue=GPU_QUEUE)


def _worker(pid: int) -> str:
    return f"{socket.gethostname()}/{pid}"


@signals.worker_process_init.connect
def _obey(**_: object) -> None:
    signal.signal(YIELD, lambda *_: stopping.set())


@signals.worker_shutting_down.connect
def _pass_on(**_: object) -> None:
    """Tell the children to give their jobs back: a warm shutdown alone would wait for hours.

    Celery's soft shutdown is not used: it sleeps its whole time even when nothing is running.
    """
    for child in active_children():
        os.kill(child.pid, YIELD)


@signals.beat_embedded_init.connect
def _die_with_parent(**_: object) -> None:
    signal.signal(YIELD, signal.SIG_IGN)
    set_pdeathsig("SIGKILL")
