"""The thread that writes a worker's heartbeat, and reads whether the worker is to be drained."""

import logging
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Collection
from dataclasses import asdict
from importlib.metadata import version
from typing import TypeVar

from psutil import pid_exists
from sqlalchemy.exc import SQLAlchemyError

from db.core.session import Sessions
from db.scheduling.workers import HEARTBEAT_EVERY, WorkerRepository
from db.tables.jobs import Worker
from worker.device import Device, NoDeviceError
from worker.pool.extras import installed_extras
from worker.pool.usage import Usage

logger = logging.getLogger(__name__)
T = TypeVar("T")


class WorkerHeartbeat:
    """Keeps the database row of one worker up to date; a failed write is only logged."""

    def __init__(
        self,
        sessions: Sessions,
        worker_id: str,
        name: str,
        queues: list[str],
        *,
        detect_device: Callable[[], Device],
        measure_usage: Callable[[Device], Usage],
        on_drain: Callable[[bool], None],
        own_tasks: bool = False,
        every_s: float = HEARTBEAT_EVERY.total_seconds(),
    ) -> None:
        self._sessions, self._id, self._name, self._queues = sessions, worker_id, name, queues
        self._detect_device, self._measure_usage = detect_device, measure_usage
        self._on_drain, self._every_s = on_drain, every_s
        self._extras, self._own_tasks = installed_extras(), own_tasks
        self._is_draining = False
        self._device: Device | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Insert the worker's row and start the thread."""
        self._try(self._register)
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and delete the worker's row."""
        self._stopping.set()
        self._thread.join(1)  # it may be detecting the device
        self._try(lambda workers: workers.remove(self._id))

    def _register(self, workers: WorkerRepository) -> None:
        """Insert the row under a name that no other running worker of this machine has."""
        others = (status.worker for status in workers.all())
        here = [other for other in others if other.hostname == socket.gethostname()]
        taken = {other.name for other in here if other.pid != os.getpid() and pid_exists(other.pid)}
        self._name = _free_name(self._name, taken)
        workers.register(self._row())

    def _run(self) -> None:
        self._write_device()
        while not self._stopping.wait(self._every_s):
            self._beat()

    def _write_device(self) -> None:
        try:
            self._device = device = self._detect_device()
        except (NoDeviceError, OSError, subprocess.SubprocessError, ValueError) as error:
            logger.warning("the device of this worker could not be detected: %s", error)
            return
        self._try(lambda workers: workers.set_device(self._id, device.name, device.memory_bytes))

    def _beat(self) -> None:
        row = self._try(self._renew)
        if row is not None and row.draining != self._is_draining:
            self._is_draining = row.draining
            logger.info(
                "%s", "draining: taking no new jobs" if row.draining else "taking jobs again"
            )
            self._on_drain(row.draining)

    def _renew(self, workers: WorkerRepository) -> Worker | None:
        usage = Usage() if self._device is None else self._measure_usage(self._device)
        row = workers.heartbeat(self._id, **asdict(usage))
        if row is None and not self._stopping.is_set():  # otherwise `stop` has deleted the row
            row = self._row()
            workers.add(row)
        return row

    def _row(self) -> Worker:
        device = self._device
        return Worker(
            id=self._id,
            name=self._name,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            queues=self._queues,
            device=device and device.name,
            memory_bytes=device and device.memory_bytes,
            version=version("zpruner"),
            extras=self._extras,
            own_tasks=self._own_tasks,
            draining=self._is_draining,
        )

    def _try(self, write: Callable[[WorkerRepository], T]) -> T | None:
        try:
            with self._sessions.begin() as session:
                return write(WorkerRepository(session))
        except SQLAlchemyError as error:
            logger.warning("the heartbeat of worker %s could not be written: %s", self._name, error)
            return None


def _free_name(name: str, taken: Collection[str]) -> str:
    """Return a name such as ``gpu@host``, with a number before the host if it is taken."""
    first, at, host = name.partition("@")
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{first}-{number}{at}{host}"
    return free
