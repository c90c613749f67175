"""Processes forked from one in which everything is imported and has run before."""

import gc
import os
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any, NoReturn

from db.core.session import open_sessions
from db.startup.parent_death import exit_with_parent
from tests.chaos.fault_injection import FaultInjector, FaultPlan
from tests.chaos.programs import Program, World
from tests.waiting import DEADLINE_S
from worker.attempts import lease_watchdog, log_handler
from worker.jobs import eta

KILLED = -signal.SIGKILL
_NEVER_S = 86_400.0


class Forks:
    """Runs programs of a world in processes of their own, which die with the tests."""

    def __init__(self, context: ForkServerContext, world: World) -> None:
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, world))
        self._process.start()
        theirs.close()

    def count(self, fault: str, program: Program, *arguments: Any) -> int:
        """Run a program where the others are forked from, and return the number of its writes."""
        writes: int = self._ask("count", fault, program, *arguments)
        return writes

    def start(self, plan: FaultPlan, program: Program, *arguments: Any) -> int:
        """Start a program, and return the id of its process."""
        pid: int = self._ask("start", plan, program, *arguments)
        return pid

    def end(self, pid: int) -> int:
        """Wait until a process ends, and return its exit code: negative if a signal ended it."""
        code: int = self._ask("end", pid)
        return code

    def is_stopped(self, pid: int) -> bool:
        """Wait until a process is suspended or ends, and return whether it is suspended."""
        stopped: bool = self._ask("is_stopped", pid)
        return stopped

    def run(self, plan: FaultPlan, program: Program, *arguments: Any) -> int:
        """Run a program to its end, and return its exit code."""
        return self.end(self.start(plan, program, *arguments))

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _ask(self, method: str, *arguments: Any) -> Any:
        self._connection.send((method, arguments))
        assert self._connection.poll(DEADLINE_S), f"{method}{arguments} does not end"
        answer = self._connection.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


def _serve(connection: Connection, world: World) -> None:
    warm = _WarmProcess(world)
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send(getattr(warm, method)(*arguments))
        except Exception:
            connection.send(traceback.format_exc())


class _WarmProcess:
    """The process that others are forked from; each method is one of `Forks`."""

    def __init__(self, world: World) -> None:
        exit_with_parent()
        # Writes at an interval would be counted on a slow machine only.
        lease_watchdog.POLL_INTERVAL_S = log_handler.FLUSH_INTERVAL_S = _NEVER_S
        eta.MEASURED_EVERY_S = _NEVER_S
        self._world, self._sessions = world, open_sessions(world.database)
        self._injector = FaultInjector(str(world.data))

    def count(self, fault: str, program: Program, *arguments: Any) -> int:
        self._injector.begin(FaultPlan(fault))
        program(self._world, self._sessions, *arguments)
        writes = self._injector.writes
        self._sessions.kw["bind"].dispose()  # two processes must not use one connection
        gc.collect()
        gc.freeze()  # a garbage collection in a forked process would copy all these pages
        return writes

    def start(self, plan: FaultPlan, program: Program, *arguments: Any) -> int:
        for thread in threading.enumerate()[1:]:
            thread.join(DEADLINE_S)  # one that the program has stopped may still be ending
        others = threading.enumerate()[1:]
        assert others == [], "a lock of another thread would stay locked"
        parent = os.getpid()
        if (pid := os.fork()) == 0:
            exit_with_parent(parent)
            self._run(plan, program, *arguments)
        return pid

    def end(self, pid: int) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def is_stopped(self, pid: int) -> bool:
        return os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1])

    def _run(self, plan: FaultPlan, program: Program, *arguments: Any) -> NoReturn:
        code = 1
        try:
            self._injector.begin(plan)
            program(self._world, self._sessions, *arguments)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
