"""The Celery shell: names, queues, limits, and what a dying process leaves undone."""

import logging
import os
import signal
import socket
import threading
from functools import partial
from typing import Any

from billiard import active_children
from celery import Celery, Task, signals
from celery.loaders.app import AppLoader
from celery.worker.request import Request
from sqlalchemy.exc import SQLAlchemyError

from db.core import redaction
from db.core.broker_names import PRUNE_TASK
from db.core.ids import new_id
from db.core.logging_setup import configure
from db.core.session import open_sessions
from db.files.artifact_store import ArtifactStore
from db.jobs import releases
from db.startup import checks, tracing
from db.startup.beats import Beats
from db.startup.private_files import keep_private
from worker.attempts.engine import prune as engine
from worker.attempts.run import Runner
from worker.control import janitor
from worker.device import ask
from worker.pool.celery_options import celery_options
from worker.pool.checks import of_worker
from worker.pool.heartbeat import Presence
from worker.priority import step_back
from worker.settings import WorkerSettings

redaction.install()
log = logging.getLogger(__name__)
with checks.refusing("worker"):
    settings = checks.read(WorkerSettings)
sessions = open_sessions(settings.database)
store = ArtifactStore(settings.artifact_dir)
stopping = threading.Event()
YIELD = signal.SIGUSR2

# A loader by its name, and Django's fixup, would look for modules in the current folder.
app = Celery("worker", broker=settings.broker, loader=AppLoader, fixups=())
app.conf.update(celery_options(settings))


class HeldRequest(Request):
    """A job's message, as the parent of the process that runs it sees it.

    Requeued, it would meet the dead attempt's live lease and be dropped: give that back first.
    """

    def revoked(self) -> bool:
        """Drop a ring that no job waits for: a process that found nothing to do costs seconds.

        There may be thousands after a long job, as the jobs behind it were rung for all the while.
        """
        if super().revoked():
            return True
        if _is_wanted(self.kwargs["job_id"]):
            return False
        self._announce_revoked("needless", False, None, False)  # notes that it is done with
        return True

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
        worker = _worker(self.worker_pid)
        try:
            releases.release_jobs_of(sessions, store, worker)
        except SQLAlchemyError:
            log.exception("the lease of what %s held has to run out by itself", worker)


class HeldTask(Task):
    """A task whose messages are ``HeldRequest``."""

    Request = HeldRequest


@app.task(name=PRUNE_TASK, base=HeldTask)
def prune(job_id: str) -> None:
    """Run one job; the message carries only its id."""
    worker = _worker(os.getpid())
    queues = settings.queues
    runner = Runner(
        sessions, store, engine, settings, worker=worker, queues=queues, stopping=stopping
    )
    runner.run(job_id)


def _is_wanted(job_id: str) -> bool:
    try:
        return janitor.is_wanted(sessions, job_id, _queues())
    except SQLAlchemyError:
        log.exception("whether %s is wanted is left to the process that runs it", job_id)
        return True


def _queues() -> list[str]:
    """Return the queues that this worker takes messages from."""
    return sorted(app.amqp.queues.consume_from)


def _worker(pid: int) -> str:
    return f"{socket.gethostname()}/{pid}"


@signals.celeryd_init.connect
def _check(**_: object) -> None:
    """Start only where the machine is as the settings say."""
    with checks.refusing("worker"):
        checks.require(of_worker(settings))
        keep_private(settings.data_dir)
    step_back()


@signals.setup_logging.connect
def _set_up_logging(loglevel: int | str | None = None, **_: object) -> None:
    configure(settings.log_format, loglevel or logging.INFO)


@signals.worker_process_init.connect
def _obey(**_: object) -> None:
    step_back()
    signal.signal(YIELD, lambda *_: stopping.set())
    tracing.start(settings, "worker")


@signals.celeryd_after_setup.connect
def _appear(sender: str, instance: Any, **_: object) -> None:
    """Write this worker down, and tell its children whose they are."""
    queues = _queues()
    os.environ.pop("_MP_FORK_LOGLEVEL_", None)  # else each child says a first line in its own way
    worker_id = new_id("wrk")
    os.environ |= {"ZPRUNER_WORKER_ID": worker_id, "ZPRUNER_QUEUES": ",".join(queues)}

    def on_drain(draining: bool) -> None:
        consumer = instance.consumer
        turn = consumer.cancel_task_queue if draining else consumer.add_task_queue
        for queue in queues:
            consumer.call_soon(turn, queue)

    presence = Presence(
        sessions,
        worker_id,
        sender,
        queues,
        look=partial(ask, settings.device),
        on_drain=on_drain,
        every_s=settings.beat_every_s,
    )
    presence.start()
    Beats().start(settings.beat_every_s)
    signals.worker_shutdown.connect(lambda **_: presence.stop(), weak=False)


@signals.worker_shutting_down.connect
def _pass_on(**_: object) -> None:
    """Tell the children to give their jobs back: a warm shutdown alone would wait for hours.

    Celery's soft shutdown is not used: it sleeps its whole time even when nothing is running.
    """
    for child in active_children():
        os.kill(child.pid, YIELD)
