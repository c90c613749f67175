"""Running one task in several processes; if one of them fails, all are killed."""

import ctypes
import gc
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

import torch

from worker.pruning.base.errors import DevicesError, RankLostError
from worker.pruning.base.generators import run_to_end
from worker.pruning.distributed.ranks import Ranks, process_group

Report = TypeVar("Report")
Result = TypeVar("Result")
Work = Callable[[Ranks, torch.device], Generator[Report, None, Result]]

_PR_SET_PDEATHSIG = 1  # prctl(2)
_STDERR = 2


def rank_devices(device: torch.device, count: int) -> tuple[torch.device, ...]:
    """Return the device of each of ``count`` ranks: GPUs in order, or the CPU for all.

    Raises:
        DevicesError: the machine has too few devices, or ``device`` has an index and ``count`` is
            not 1.
    """
    if device.type == "cpu":
        return (device,) * count
    available = torch.cuda.device_count() if torch.cuda.is_available() else 0
    first = device.index or 0
    if first + count > available or (device.index is not None and count > 1):
        raise DevicesError(str(device), count, available)
    if count == 1:
        return (device,)
    return tuple(torch.device(device.type, rank) for rank in range(count))


def launch(
    work: Work[Report, Result], devices: tuple[torch.device, ...]
) -> Generator[Report, None, Result]:
    """Run ``work`` in one process per device; yield rank 0's reports, and return its result.

    Closing the generator kills all processes. On Linux, the end of this process also kills them.

    Args:
        work: called with ``(ranks, device)`` in each process; must be picklable.
        devices: one per rank, from `rank_devices`. On the CPU, each rank gets an equal share of the
            threads.

    Raises:
        RankLostError: a process was killed, or exited before its work was done.
        Exception: an exception that a rank raised, with the rank's traceback as a note.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="zpruner-ranks-")))
        processes: _RankProcesses[Report, Result] = _RankProcesses(len(devices))
        stack.callback(processes.kill)
        store = folder / "store"
        processes.start([_Task(work, rank, devices, store) for rank in range(len(devices))])
        while isinstance(message := processes.receive(), _Yielded):
            yield message.report
        return message.result


def run_rank() -> None:
    """Run one rank: the main function of the program that `launch` starts."""
    pipe, parent = Connection(int(sys.argv[1])), int(sys.argv[2])
    _exit_with_parent(parent)
    task: _Task[Any, Any] = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from our own parent
    gc.freeze()
    gc.enable()  # disabled while the engine is imported
    device, size = task.devices[task.rank], len(task.devices)
    try:
        with process_group(task.rank, size, task.store, device) as ranks:
            reports = task.work(ranks, device)
            result = run_to_end(reports, lambda report: _send(pipe, _Yielded(report)))
            _send(pipe, _Returned(result))
    except Exception as error:  # raised again in the process that started this rank
        error.add_note(f"In rank {task.rank}:\n{traceback.format_exc()}")
        _send(pipe, _Raised(error))


@dataclass(frozen=True)
class _Task(Generic[Report, Result]):
    """The task of one rank, the only message that is sent to its process."""

    work: Work[Report, Result]
    rank: int
    devices: tuple[torch.device, ...]
    store: Path


@dataclass(frozen=True)
class _Yielded(Generic[Report]):
    report: Report


@dataclass(frozen=True)
class _Returned(Generic[Result]):
    result: Result


@dataclass(frozen=True)
class _Raised:
    error: Exception


class _RankProcesses(Generic[Report, Result]):
    """The processes of the ranks, and the pipes to them.

    The processes are started with `subprocess`, because `multiprocessing` cannot start child
    processes from Celery's daemonic pool processes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._processes: list[subprocess.Popen[bytes]] = []
        self._ranks: dict[Connection, int] = {}  # by open pipe
        self._lost: RankLostError | None = None

    def start(self, tasks: list[_Task[Report, Result]]) -> None:
        """Start all processes, and send each process its task."""
        threads = max(1, torch.get_num_threads() // self._size)
        # Without "", which means the current folder: it may hold the user's files.
        paths = os.pathsep.join(filter(None, sys.path))
        environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": str(threads)}
        for task in tasks:
            ours, theirs = Pipe()
            self._ranks[ours] = task.rank
            # Closed here after the start, so that reading fails once the process has ended.
            with theirs:
                self._processes.append(_start_process(theirs.fileno(), environment))
        for pipe, task in zip(list(self._ranks), tasks, strict=True):
            with suppress(ConnectionError):  # it has ended already: `receive` reports why
                _send(pipe, task)

    def receive(self) -> _Yielded[Report] | _Returned[Result]:
        """Wait for the next message of rank 0 and return it.

        Raises:
            Exception: an exception that a rank raised, or a `RankLostError`.
        """
        while self._ranks:
            ready = wait(list(self._ranks))
            for pipe, rank in list(self._ranks.items()):
                message = self._read(pipe) if pipe in ready else None
                if isinstance(message, _Raised):
                    raise message.error
                if message is not None and rank == 0:
                    return message
        raise self._lost or RankLostError("all ranks exited before their work was done")

    def kill(self) -> None:
        """Kill the processes that still run, and close all pipes."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        for pipe in self._ranks:
            pipe.close()

    def _read(self, pipe: Connection) -> _Yielded[Report] | _Returned[Result] | _Raised | None:
        """Return a rank's next message, or an error if its process failed without a message.

        Return None if the process exited with code 0, or if the message only says that another rank
        was lost.
        """
        message: _Yielded[Report] | _Returned[Result] | _Raised
        try:
            message = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from our own child
        except (EOFError, ConnectionError):
            pipe.close()
            return self._exit_error(self._ranks.pop(pipe))
        if isinstance(message, _Raised) and isinstance(message.error, RankLostError):
            # Another rank ended first. Its own exception or exit code says more than this one.
            self._lost = message.error
            return None
        return message

    def _exit_error(self, rank: int) -> _Raised | None:
        code = self._processes[rank].wait()
        if code == 0:
            return None
        if code < 0:
            cause = f"was killed by {signal.Signals(-code).name}"
        else:
            cause = f"exited with code {code}"
        return _Raised(RankLostError(f"rank {rank} of {self._size} {cause}"))


def _start_process(pipe: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    # Without garbage collections until all is imported: they would take a fifth of that time.
    code = (
        "import gc; gc.disable(); from worker.pruning.distributed.launcher import run_rank;"
        " run_rank()"
    )
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-P", "-c", code, str(pipe), str(os.getpid())],
        pass_fds=[pipe],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=_STDERR,  # keep their output out of ours
        # Ctrl-C reaches only this process, which kills them. They stay in its session, because a
        # new one would have a scheduling priority of its own.
        process_group=0,
    )


def _send(pipe: Connection, message: object) -> None:
    # `Connection.send` would pass tensors through shared memory, which the sender has to keep open.
    pipe.send_bytes(pickle.dumps(message))


def _exit_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; exit if the parent has already ended.

    Only Linux does this; on other systems, the process can outlive its parent. The service's
    `db.startup.parent_death` does the same, but the core imports nothing of the service.
    """
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only
    if prctl is not None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
