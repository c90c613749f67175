"""The fork server: it imports the engine, so that the processes it forks need not do so.

The server runs no job. It forks only if it has one thread, has no unexpected file open and has not
used CUDA. A forked process therefore behaves like a new one (docs/explanations/fork-server.md). The
server's command-line argument is the descriptor of a socket that is connected to the worker, the
server's parent.
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

from db.startup.parent_death import exit_with_parent
from worker.pool import forked_program
from worker.pool.fork_client import FORK, MAX_FDS, READY

PRELOAD = (
    "worker.tasks",
    "worker.jobs.prune",
    "worker.estimates.estimator",
    "transformers.models.llama.modeling_llama",  # and the modules it shares with other families
)
STANDARD = {0, 1, 2}
CORES = os.sched_getaffinity(0)
INTERRUPT = signal.getsignal(signal.SIGINT)  # SIG_IGN in a background process of a script
_children: list[int] = []
"""Those that run a module, until a later request collects them."""


def main() -> None:
    """Import the engine, then fork on request until the worker closes the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is handled by the worker
    with socket.socket(fileno=int(sys.argv[1])) as worker:
        gc.disable()  # as at the start of each program, see db.startup.program
        for name in PRELOAD:
            import_module(name)
        _stop_library_threads()
        gc.freeze()  # a garbage collection in a child would copy all these pages
        gc.enable()
        worker.send(READY)
        while _handle_request(worker):
            pass


def refusal(allowed: set[int]) -> str | None:
    """Return why this process cannot be forked safely; None if it can.

    Args:
        allowed: the file descriptors that may be open.
    """
    if (threads := len(os.listdir("/proc/self/task"))) != 1:
        return f"it has {threads} threads"
    if opened := {fd: file for fd, file in _open_files() if fd not in allowed}:
        return f"it has opened {opened}"
    if os.sched_getaffinity(0) != CORES:
        return "its set of processors has changed since the libraries counted them"
    torch: Any = import_module("torch")
    return "it has used CUDA" if torch.cuda.is_initialized() else None


def _handle_request(worker: socket.socket) -> bool:
    """Answer one request with the id of a forked process, or with an error.

    Return False if there is no request because the worker has closed the socket.
    """
    message, fds, _, _ = socket.recv_fds(worker, 256, MAX_FDS)
    try:
        if message:
            response = refusal({*STANDARD, worker.fileno(), *fds})
            if response is None:
                is_for_pool = message == FORK
                response = _fork(worker, fds) if is_for_pool else _run_module(worker, message, fds)
            worker.send(response.encode())
        return bool(message)
    finally:
        for fd in fds:
            os.close(fd)


def _fork(worker: socket.socket, fds: list[int]) -> str:
    """Fork a process that becomes a child of the worker; return its process id, or an error's text.

    The server forks a child, which forks the new process and exits at once. The worker is a
    subreaper, so the new process then becomes a child of the worker.
    """
    read, write = os.pipe()
    try:
        if not (child := os.fork()):
            _fork_and_exit(worker, fds, read, write)
        os.waitpid(child, 0)
        os.set_blocking(read, False)
        return os.read(read, 16).decode()
    except OSError as error:
        return f"it cannot fork: {error}"
    finally:
        os.close(read)
        os.close(write)


def _fork_and_exit(worker: socket.socket, fds: list[int], read: int, write: int) -> NoReturn:
    try:
        if not (grandchild := os.fork()):
            worker.close()
            os.close(read)
            os.close(write)
            _run(fds)
        os.write(write, str(grandchild).encode())
    finally:
        os._exit(0)


def _run_module(worker: socket.socket, module: bytes, fds: list[int]) -> str:
    """Fork a process that runs a module and stays a child; return its id, or an error's text."""
    for child in list(_children):
        if os.waitpid(child, os.WNOHANG)[0]:
            _children.remove(child)
    server = os.getpid()
    try:
        child = os.fork()
    except OSError as error:
        return f"it cannot fork: {error}"
    if not child:
        worker.close()
        exit_with_parent(server)
        signal.signal(signal.SIGINT, INTERRUPT)
        _reseed()
        forked_program.run(module.decode(), *fds)
    _children.append(child)
    return str(child)


def _run(fds: list[int]) -> NoReturn:
    """Do in the new process what billiard does in a spawned one."""
    code = 1
    try:
        signal.signal(signal.SIGINT, INTERRUPT)
        _reseed()
        data, _closed_at_exit, tracker, *inherited = fds
        semaphore_tracker._semaphore_tracker._fd = tracker
        forkserver._forkserver._inherited_fds = inherited
        code = spawn._main(data)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _reseed() -> None:
    """Reseed numpy's and torch's random generators; Python reseeds its own after a fork."""
    import_module("numpy").random.seed()
    import_module("torch").default_generator.seed()


def _open_files() -> Iterator[tuple[int, str]]:
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the descriptor of the listing itself
            yield int(name), os.readlink(f"/proc/self/fd/{name}")


def _stop_library_threads() -> None:
    """Stop the threads of OpenBLAS by forking once; it starts new ones when it is used again."""
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)
