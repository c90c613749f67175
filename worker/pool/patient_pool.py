"""A Celery pool that distinguishes a slow start of a process from one that hangs."""

import logging
import os
import signal
from typing import Any

from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool

from db.startup.cpu_time import FairClock

logger = logging.getLogger(__name__)
START_TIMEOUT_S = 120.0
"""How long a process may take to start, by its `FairClock`."""
CHECK_EVERY_S = 1.0


class PatientProcesses(AsynPool):
    """The processes of the pool, whose starts are checked by a `FairClock`."""

    on_process_up: Any

    def _create_process_handlers(self, hub: Any) -> None:
        super()._create_process_handlers(hub)
        register = self.on_process_up

        def on_process_up(process: Any) -> None:
            register(process)
            self._check_start(hub, process, FairClock(process.pid))

        self.on_process_up = on_process_up

    def _check_start(self, hub: Any, process: Any, age: FairClock) -> None:
        """Kill the process if its start hangs; check again later while it starts."""
        if process not in self._waiting_to_start or not process._is_alive():
            return
        if (seconds := age.read()) <= START_TIMEOUT_S:
            hub.call_later(CHECK_EVERY_S, self._check_start, hub, process, age)
            return
        logger.error("process %d has not started in %.0f s: killing it", process.pid, seconds)
        os.kill(process.pid, signal.SIGKILL)


class PatientPool(TaskPool):
    """Celery's ``prefork`` pool, whose processes may start slowly on a busy machine."""

    Pool = PatientProcesses
