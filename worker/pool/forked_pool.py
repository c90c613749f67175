"""Celery's pool of processes, with a fork server to make them."""

import io
import logging
import os
from contextlib import suppress
from typing import Any, ClassVar

from billiard import (
    context,
    popen_fork,
    popen_forkserver,
    popen_spawn_posix,
    reduction,
    semaphore_tracker,
)
from billiard.spawn import get_preparation_data
from celery.concurrency.prefork import TaskPool
from celery.worker import state

from worker.pool.fork_client import ForkServer, ForkServerError

log = logging.getLogger(__name__)


class ForkedPopen(popen_forkserver.Popen):
    """A forked process that is this process's own child, as a spawned one is."""

    poll = popen_fork.Popen.poll

    def __init__(self, process: Any, server: ForkServer) -> None:
        self._server = server
        super().__init__(process)

    def _launch(self, process: Any) -> None:
        message = self._message(process)
        self.sentinel, until_the_end = os.pipe()
        data, write = os.pipe()
        try:
            given = [data, until_the_end, semaphore_tracker.getfd(), *self._fds]
            self.pid = self._server.fork(given)
        except ForkServerError:
            os.close(self.sentinel)
            os.close(write)
            raise
        finally:
            os.close(data)
            os.close(until_the_end)
        with suppress(BrokenPipeError), open(write, "wb") as pipe:  # else: its end is seen to
            pipe.write(message)

    def _message(self, process: Any) -> bytes:
        """Return what to run, and in what surroundings."""
        message = io.BytesIO()
        context.set_spawning_popen(self)
        try:
            reduction.dump(get_preparation_data(process.name), message)
            reduction.dump(process, message)
        finally:
            context.set_spawning_popen(None)
        return message.getvalue()


class ForkedProcess(context.SpawnProcess):
    """Forked if the server can, else spawned."""

    server: ClassVar[ForkServer]

    @classmethod
    def _Popen(cls, process: Any) -> Any:  # noqa: N802 - billiard's word
        try:
            return ForkedPopen(process, cls.server)
        except ForkServerError as error:
            log.warning("the fork server %s; a process is spawned without it", error)
            return popen_spawn_posix.Popen(process)


class ForkedContext(context.SpawnContext):
    """Starts what it is asked for as ``ForkedProcess``."""

    Process = ForkedProcess


class ForkingPool(TaskPool):
    """Celery's ``prefork`` pool, whose processes are forked from one that has the engine."""

    def on_start(self) -> None:
        """Start the first process, and the server before it."""
        ForkedProcess.server = ForkServer(is_stopping=_is_stopping)
        self.options["context"] = ForkedContext()
        super().on_start()

    def on_stop(self) -> None:
        """Wait for the processes, then end the server."""
        super().on_stop()
        ForkedProcess.server.close()

    def on_terminate(self) -> None:
        """End the processes, then the server."""
        super().on_terminate()
        ForkedProcess.server.close()


def _is_stopping() -> bool:
    return state.should_stop is not None or state.should_terminate is not None
