"""A Celery pool whose processes are forked by a fork server."""

import io
import logging
import os
import signal
from contextlib import suppress
from typing import Any, ClassVar

from billiard import (
    active_children,
    context,
    popen_fork,
    popen_forkserver,
    popen_spawn_posix,
    reduction,
    semaphore_tracker,
)
from billiard.spawn import get_preparation_data
from celery.worker import state
from kombu.asynchronous import get_event_loop

from db.startup.fork_requests import inherited
from worker.pool.fork_client import ForkServer, ForkServerError
from worker.pool.fork_requests import ForkRequests
from worker.pool.patient_pool import PatientPool, PatientProcesses

logger = logging.getLogger(__name__)


class ForkedPopen(popen_forkserver.Popen):
    """A process that the fork server forked; like a spawned one, it is a child of this process."""

    poll = popen_fork.Popen.poll

    def __init__(self, process: Any, server: ForkServer) -> None:
        self._server = server
        super().__init__(process)

    def _launch(self, process: Any) -> None:
        message = self._message(process)
        self.sentinel, closed_at_exit = os.pipe()
        data, write = os.pipe()
        try:
            inherited = [data, closed_at_exit, semaphore_tracker.getfd(), *self._fds]
            self.pid = self._server.fork(inherited)
        except ForkServerError:
            os.close(self.sentinel)
            os.close(write)
            raise
        finally:
            os.close(data)
            os.close(closed_at_exit)
        with (
            suppress(BrokenPipeError),
            open(write, "wb") as pipe,
        ):  # a process that has ended is detected later
            pipe.write(message)

    def _message(self, process: Any) -> bytes:
        """Serialise the process object and its preparation data."""
        message = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            reduction.dump(get_preparation_data(process.name), message)
            reduction.dump(process, message)
        finally:
            context.set_spawning_popen(None)
        return message.getvalue()


class ForkedProcess(context.SpawnProcess):
    """A process that the fork server forks, or that is spawned if the server cannot fork it."""

    server: ClassVar[ForkServer]

    @classmethod
    def _Popen(cls, process: Any) -> Any:  # noqa: N802 - billiard's name
        try:
            return ForkedPopen(process, cls.server)
        except ForkServerError as error:
            logger.warning("the fork server %s; a process is spawned without it", error)
            return popen_spawn_posix.Popen(process)


class ForkedContext(context.SpawnContext):
    """Starts processes as ``ForkedProcess``."""

    Process = ForkedProcess


class ForkedProcesses(PatientProcesses):
    """The processes of the pool: none until the first job arrives and the fork server is ready."""

    _has_job = False

    def apply_async(self, *args: Any, **options: Any) -> Any:
        """Run a job; the first one starts the fork server, which takes some seconds of imports."""
        if not self._has_job:
            self._has_job = True
            with suppress(OSError):  # it is tried again when the process is created
                ForkedProcess.server.start()
            self.maintain_pool()
        return super().apply_async(*args, **options)

    def _create_worker_process(self, i: int) -> Any:
        """Create a process; as long as this has to wait, create none, and return None.

        Celery tries again every five seconds; a server that becomes ready is noticed at once.
        """
        if self._has_job and not ForkedProcess.server.is_starting():
            return super()._create_worker_process(i)
        if self._has_job:
            socket, hub = ForkedProcess.server.start(), get_event_loop()
            hub.add_reader(socket, self._on_server_ready, hub, socket)
        return None

    def _on_server_ready(self, hub: Any, socket: Any) -> None:
        hub.remove_reader(socket)
        self.maintain_pool()


class ForkingPool(PatientPool):
    """A pool with processes in which the engine is already imported."""

    Pool = ForkedProcesses
    _fork_requests: ForkRequests | None

    def on_start(self) -> None:
        """Prepare to use a fork server, then start the pool."""
        ForkedProcess.server = ForkServer()
        self.options["context"] = ForkedContext()
        self._fork_requests = None
        if (requests := inherited()) is not None:
            self._fork_requests = ForkRequests(ForkedProcess.server, requests)
        super().on_start()

    def register_with_event_loop(self, loop: Any) -> None:
        """Serve the control process, too, if it was started beside this worker.

        Celery calls this again after each connection to the broker.
        """
        super().register_with_event_loop(loop)
        if self._fork_requests is not None:
            self._fork_requests.receive_in(loop)

    def on_stop(self) -> None:
        """Wait for the running jobs; kill processes without one, which need a second to end."""
        if not state.reserved_requests:
            for process in active_children():
                os.kill(process.pid, signal.SIGKILL)
        super().on_stop()
        ForkedProcess.server.close()

    def on_terminate(self) -> None:
        super().on_terminate()
        ForkedProcess.server.close()
