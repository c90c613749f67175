"""Forks processes that have the engine imported already: the program that ``ForkServer`` starts.

It runs no job, opens no connection and starts no thread, so that a forked process is as good as a
fresh one: see decision 30. Its argument is the descriptor of a socket to the worker, its parent.
"""

import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from billiard import forkserver, semaphore_tracker, spawn

from db.core.parent_death import exit_with_parent
from worker.pool.fork_client import MOST_FDS, READY

PRELOAD = (
    "worker.tasks",
    "worker.jobs.prune",
    "transformers.models.llama.modeling_llama",  # and what other families share with it
)
STANDARD = {0, 1, 2}
CORES = os.sched_getaffinity(0)


def main() -> None:
    """Import the engine, then fork until the worker is gone."""
    exit_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the worker
    with socket.socket(fileno=int(sys.argv[1])) as worker:
        for name in PRELOAD:
            import_module(name)
        _end_library_threads()
        gc.collect()
        gc.freeze()  # a collection in a child would copy the pages of all these objects
        worker.send(READY)
        while _answer(worker):
            pass


def unfit(known: set[int]) -> str | None:
    """Return why no process should be forked from this one, if there is a reason.

    Args:
        known: the descriptors that may be open.
    """
    if (threads := len(os.listdir("/proc/self/task"))) != 1:
        return f"it has {threads} threads"
    if others := {fd: file for fd, file in _open_files() if fd not in known}:
        return f"it has opened {others}"
    if os.sched_getaffinity(0) != CORES:
        return "the libraries have counted other processors than there are now"
    torch: Any = import_module("torch")
    return "it has used CUDA" if torch.cuda.is_initialized() else None


def _answer(worker: socket.socket) -> bool:
    """Answer a request with a process id or with what speaks against one; false: the end."""
    message, fds, _, _ = socket.recv_fds(worker, 16, MOST_FDS)
    try:
        if message:
            reason = unfit({*STANDARD, worker.fileno(), *fds})
            worker.send((reason or _fork(worker, fds)).encode())
        return bool(message)
    finally:
        for fd in fds:
            os.close(fd)


def _fork(worker: socket.socket, fds: list[int]) -> str:
    """Return the id of a new process whose parent is the worker, or why there is none.

    The process between this one and the new one ends at once, and the worker adopts its child.
    """
    read, write = os.pipe()
    try:
        if not (between := os.fork()):
            _fork_and_end(worker, fds, read, write)
        os.waitpid(between, 0)
        os.set_blocking(read, False)
        return os.read(read, 16).decode()
    except OSError as error:
        return f"it cannot fork: {error}"
    finally:
        os.close(read)
        os.close(write)


def _fork_and_end(worker: socket.socket, fds: list[int], read: int, write: int) -> NoReturn:
    try:
        if not (child := os.fork()):
            worker.close()
            os.close(read)
            os.close(write)
            _run(fds)
        os.write(write, str(child).encode())
    finally:
        os._exit(0)


def _run(fds: list[int]) -> NoReturn:
    """Be the new process: do as a spawned one does, with what the worker sends."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _seed_anew()
        data, _until_the_end, tracker, *inherited = fds
        semaphore_tracker._semaphore_tracker._fd = tracker
        forkserver._forkserver._inherited_fds = inherited
        code = spawn._main(data)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _seed_anew() -> None:
    """Seed the libraries' generators as at an import; Python's own does so at every fork."""
    import_module("numpy").random.seed()
    import_module("torch").default_generator.seed()


def _open_files() -> Iterator[tuple[int, str]]:
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that was the list itself
            yield int(name), os.readlink(f"/proc/self/fd/{name}")


def _end_library_threads() -> None:
    """Fork once: OpenBLAS ends its threads then, and starts others where it is used."""
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)
