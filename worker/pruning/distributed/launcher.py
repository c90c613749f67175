"""Several processes for one piece of work: all of them get to its end, or none goes on."""

import ctypes
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
from worker.pruning.distributed.ranks import Ranks, joined

Report = TypeVar("Report")
Result = TypeVar("Result")
Work = Callable[[Ranks, torch.device], Generator[Report, None, Result]]

_SET_PDEATHSIG = 1  # prctl(2)


def rank_devices(device: torch.device, count: int) -> tuple[torch.device, ...]:
    """Return what each of ``count`` ranks computes on: GPUs in order, or a share of the CPU.

    Raises:
        DevicesError: there are not as many, or ``device`` names one alone.
    """
    if device.type == "cpu":
        return (device,) * count
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    named = device.index or 0
    if named + count > there or (device.index is not None and count > 1):
        raise DevicesError(str(device), count, there)
    if count == 1:
        return (device,)
    return tuple(torch.device(device.type, rank) for rank in range(count))


def launch(
    work: Work[Report, Result], devices: tuple[torch.device, ...]
) -> Generator[Report, None, Result]:
    """Do the work in one process for each device; yield and return what rank 0 does.

    Closing the generator ends all processes, and so does whatever ends this one.

    Args:
        work: ``(ranks, device)`` to the generator that each process runs; can be pickled.
        devices: what the ranks compute on, from `rank_devices`; on the CPU they share its threads.

    Raises:
        RankLostError: a process was killed, or left without a word.
        Exception: what a rank raised; its traceback is a note on it.
    """
    with ExitStack() as stack:
        meeting = Path(stack.enter_context(TemporaryDirectory(prefix="zpruner-ranks-")))
        crew: _Crew[Report, Result] = _Crew(len(devices))
        stack.callback(crew.end)
        crew.start([_Place(work, rank, devices, meeting / "store") for rank in range(len(devices))])
        while isinstance(said := crew.hear(), _Reported):
            yield said.report
        return said.result


def live() -> None:
    """Be one of the processes: the program that `launch` starts."""
    pipe, parent = Connection(int(sys.argv[1])), int(sys.argv[2])
    _die_with(parent)
    place: _Place[Any, Any] = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from our own parent
    device, size = place.devices[place.rank], len(place.devices)
    try:
        with joined(place.rank, size, place.store, device) as ranks:
            steps = place.work(ranks, device)
            _say(pipe, _Done(run_to_end(steps, lambda report: _say(pipe, _Reported(report)))))
    except Exception as error:
        error.add_note(f"In rank {place.rank}:\n{traceback.format_exc()}")
        _say(pipe, _Failed(error))


@dataclass(frozen=True)
class _Place(Generic[Report, Result]):
    """What one process needs to know."""

    work: Work[Report, Result]
    rank: int
    devices: tuple[torch.device, ...]
    store: Path


@dataclass(frozen=True)
class _Reported(Generic[Report]):
    report: Report


@dataclass(frozen=True)
class _Done(Generic[Result]):
    result: Result


@dataclass(frozen=True)
class _Failed:
    error: Exception


class _Crew(Generic[Report, Result]):
    """The processes, and the pipes on which they are heard.

    Programs of their own, not `multiprocessing`'s: that takes no children of Celery's processes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._processes: list[subprocess.Popen[bytes]] = []
        self._pipes: dict[Connection, int] = {}  # those still open, to their ranks
        self._lost: RankLostError | None = None

    def start(self, places: list[_Place[Report, Result]]) -> None:
        """Start all processes, and tell each its place."""
        threads = max(1, torch.get_num_threads() // self._size)
        # Without "", the current folder, which holds the user's files.
        paths = os.pathsep.join(filter(None, sys.path))
        environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": str(threads)}
        for place in places:
            ours, theirs = Pipe()
            self._pipes[ours] = place.rank
            # Theirs alone once it runs, so that our end tells when it is gone.
            with theirs:
                self._processes.append(_program(theirs.fileno(), environment))
        for pipe, place in zip(list(self._pipes), places, strict=True):
            with suppress(ConnectionError):  # it ended already, which is heard soon
                _say(pipe, place)

    def hear(self) -> _Reported[Report] | _Done[Result]:
        """Return what rank 0 says next.

        Raises:
            Exception: why any rank failed.
        """
        while self._pipes:
            ready = wait(list(self._pipes))
            for pipe, rank in list(self._pipes.items()):
                said = self._read(pipe) if pipe in ready else None
                if isinstance(said, _Failed):
                    raise said.error
                if said is not None and rank == 0:
                    return said
        raise self._lost or RankLostError("all ranks ended before their work did")

    def end(self) -> None:
        """End what is still running."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        for pipe in self._pipes:
            pipe.close()

    def _read(self, pipe: Connection) -> _Reported[Report] | _Done[Result] | _Failed | None:
        """Return what came through a pipe, None for what explains nothing."""
        said: _Reported[Report] | _Done[Result] | _Failed
        try:
            said = pickle.loads(pipe.recv_bytes())  # noqa: S301 - from our own child
        except (EOFError, ConnectionError):
            pipe.close()
            return self._ended(self._pipes.pop(pipe))
        if isinstance(said, _Failed) and isinstance(said.error, RankLostError):
            # Who lost another rank knows less than that one's own end will tell.
            self._lost = said.error
            return None
        return said

    def _ended(self, rank: int) -> _Failed | None:
        code = self._processes[rank].wait()
        if code == 0:
            return None
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"left with {code}"
        return _Failed(RankLostError(f"rank {rank} of {self._size} {how}"))


def _program(pipe: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    code = "from worker.pruning.distributed.launcher import live; live()"
    return subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-P", "-c", code, str(pipe), str(os.getpid())],
        pass_fds=[pipe],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=2,  # what they print is no part of our output
        start_new_session=True,  # Ctrl-C is for us, and we end them
    )


def _say(pipe: Connection, message: object) -> None:
    # Plain pickle: a Connection's own would lend tensors through sockets that have to stay open.
    pipe.send_bytes(pickle.dumps(message))


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies, however that comes."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux's alone
    if prctl is not None:
        prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
