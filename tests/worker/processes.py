"""Processes that have the engine loaded already: some are killed in the middle, some are ranks."""

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from threading import Thread

import pytest
import torch

from db.core.session import open_sessions
from db.files.stores import open_store
from tests.worker.work import after_block, after_step, kill_process
from worker.attempts.run import Prune, Runner
from worker.jobs.prune import prune
from worker.pruning.distributed.launcher import run_rank
from worker.recovery import settings as recovery
from worker.settings import WorkerSettings
from worker.standalone import command

ENDS_WITHIN_S = 300
STEP_TOKENS = 256
"""The tokens of a step of a recovery; with the usual ones, a step takes a second or two."""
_FORKED = get_context("forkserver")
# The libraries are loaded once for all processes.
_FORKED.set_forkserver_preload([__name__, "transformers.models.llama.modeling_llama"])


def run_until_killed(work: Callable[..., object], *arguments: object) -> None:
    """Run a function in a process of its own, and require that signal 9 ends it."""
    assert _exit_code(work, *arguments) == -signal.SIGKILL


def run_to_end(work: Callable[..., object], *arguments: object) -> None:
    """Run a function in a process of its own."""
    assert _exit_code(work, *arguments) == 0


def _exit_code(work: Callable[..., object], *arguments: object) -> int | None:
    process = _FORKED.Process(target=_in_our_environment, args=(dict(os.environ), work, arguments))
    process.start()
    process.join(ENDS_WITHIN_S)
    return process.exitcode


def _in_our_environment(
    ours: dict[str, str], work: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    _end_with_the_tests()
    os.environ.clear()
    os.environ.update(ours)
    work(*arguments)


def _end_with_the_tests() -> None:
    """End this process with the one that runs the tests, which is not its parent."""
    tests = parent_process()
    assert tests is not None

    def wait() -> None:
        tests.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


class ForkedRank:
    """The process of a rank, with what `launch` uses of a `subprocess.Popen`."""

    def __init__(self, pipe: int, environment: dict[str, str]) -> None:
        with Connection(os.dup(pipe)) as copy:
            self._process = _FORKED.Process(target=_rank, args=(copy, environment))
            self._process.start()

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def _rank(pipe: Connection, environment: dict[str, str]) -> None:
    """Do what the program that `launch` starts does."""
    _end_with_the_tests()
    os.environ |= environment
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.argv = ["rank", str(pipe.fileno()), str(os.getppid())]
    run_rank()


def job_until_block(url: str, worker: str, fields: dict[str, object], job_id: str) -> None:
    """Run a job of a database, with some settings, until its second block is finished."""
    _run(url, worker, fields, job_id, after_block(1, kill_process, prune))


def job_until_step(
    url: str, worker: str, fields: dict[str, object], job_id: str, number: int
) -> None:
    """Run a job of a database, with some settings, until this step of its recovery is finished."""
    recovery._FEWEST_BATCH_TOKENS = STEP_TOKENS
    _run(url, worker, fields, job_id, after_step(number, kill_process, prune))


def _run(url: str, worker: str, fields: dict[str, object], job_id: str, work: Prune) -> None:
    settings = WorkerSettings.model_validate(fields)
    Runner(open_sessions(url), open_store(settings), work, settings, worker=worker).run(job_id)


def command_until_block(*words: str) -> None:
    """Run ``zpruner prune`` until the second block is finished."""
    sys.argv = ["prune", *words]
    pytest.MonkeyPatch().setattr(command, "prune", after_block(1, kill_process, prune))
    command.main()
