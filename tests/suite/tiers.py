"""The quick tier: the tests of ``pytest --quick``, which start no process.

What a test starts is known from its folder and its fixtures, and it is marked accordingly. A test
that starts a process in another way is skipped at that moment. Of a test with many sets of
parameters, the quick tier has the first.
"""

import signal
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from sys import addaudithook
from typing import Any

import pytest

FOLDERS = {"e2e": "e2e", "chaos": "chaos", "handoffs": "handoff"}
"""The marker of all tests in a folder."""
FIXTURES = {
    "browser": "browser",
    "planner": "process",
    "postgres": "postgres",
    "s3_server": "process",
}
"""The marker of all tests that use a fixture."""
STARTED = {*FOLDERS.values(), *FIXTURES.values()}
STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "os.exec"}
"""Python's names of the events (``sys.audit``) by which a process starts another one."""
NOT_QUICK = "not in the quick tier"
REASON = f"starts a process: {NOT_QUICK}"
BUDGET_S = 480
"""CPU time of the whole quick tier: four minutes on two cores."""
PATIENT_S = 1800
"""The time limit of a test with many waits, each of which has a limit of its own and a message."""
CPU_S = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick", action="store_true", help="run only tests that start no process, no server"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that start something; remove them from the quick tier."""
    for item in items:
        mark(item)
    if config.getoption("quick"):
        left_out = STARTED | {"gpu"}
        quick = first_sets([item for item in items if not is_marked(item, left_out)])
        config.hook.pytest_deselected(items=[item for item in items if item not in quick])
        items[:] = [item for item in items if item in quick]


def mark(item: pytest.Item) -> None:
    """Add the markers of a test's folder and of its fixtures."""
    for folder in FOLDERS.keys() & {*item.path.relative_to(item.config.rootpath).parts}:
        item.add_marker(FOLDERS[folder])
    # A fixture with the name of a parameter is requested once the test runs.
    used = {*getattr(item, "fixturenames", ()), *map(str, parameters(item))}
    for name in FIXTURES.keys() & used:
        item.add_marker(FIXTURES[name])
    if is_marked(item, STARTED) and item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(PATIENT_S))


def parameters(item: pytest.Item) -> list[object]:
    call = getattr(item, "callspec", None)
    return [] if call is None else list(call.params.values())


def is_marked(item: pytest.Item, names: set[str]) -> bool:
    return any(mark.name in names for mark in item.iter_markers())


def first_sets(items: list[pytest.Item]) -> set[pytest.Item]:
    """Return each test with the first set of its parameters."""
    tests: dict[str, pytest.Item] = {}
    for item in items:
        tests.setdefault(item.nodeid.partition("[")[0], item)
    return set(tests.values())


class ProcessGuard:
    """While it is armed, skips the test that starts a process."""

    def __init__(self) -> None:
        self._is_armed = False
        addaudithook(self._audit)
        # What multiprocessing starts by, without an event.
        low_level: Any = import_module("_posixsubprocess")
        self._fork_exec = low_level.fork_exec
        low_level.fork_exec = self._start

        signal.signal(signal.SIGUSR1, lambda *_: self._skip())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Iterator[None]:
        self._is_armed = True
        try:
            return (yield)
        finally:
            self._is_armed = False

    pytest_runtest_call = pytest_runtest_teardown = pytest_runtest_setup

    def _audit(self, event: str, _: tuple[Any, ...]) -> None:
        if self._is_armed and event in STARTS:
            main = threading.main_thread()
            if threading.current_thread() is not main and main.ident is not None:
                signal.pthread_kill(main.ident, signal.SIGUSR1)  # it may wait for this thread
            self._skip()

    def _skip(self) -> None:
        if self._is_armed:
            pytest.skip(REASON)

    def _start(self, *arguments: Any) -> Any:
        self._audit("os.exec", ())
        return self._fork_exec(*arguments)


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("quick"):
        config.pluginmanager.register(ProcessGuard())
        ended = "pytest.PytestUnhandledThreadExceptionWarning"
        config.addinivalue_line("filterwarnings", f"ignore:(?s).*{NOT_QUICK}:{ended}")
        # A test that is skipped half-way leaves files open.
        config.addinivalue_line("filterwarnings", "ignore::ResourceWarning")
        config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnraisableExceptionWarning")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Pass on the CPU time of this process; hold the whole quick tier to its budget."""
    config = session.config
    if not config.getoption("quick"):
        return
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output["cpu_s"] = time.process_time()
        return
    spent_s = config.stash[CPU_S] = config.stash.get(CPU_S, 0.0) + time.process_time()
    if spent_s > BUDGET_S and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Add the CPU time of a worker process."""
    spent_s = getattr(node, "workeroutput", {}).get("cpu_s", 0.0)
    node.config.stash[CPU_S] = node.config.stash.get(CPU_S, 0.0) + spent_s


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the CPU time of the quick tier."""
    if (spent_s := config.stash.get(CPU_S, 0.0)) and config.getoption("quick"):
        over = " TOO MUCH" if spent_s > BUDGET_S else ""
        terminalreporter.write_line(f"CPU time: {spent_s:.0f} s of {BUDGET_S} s{over}")
