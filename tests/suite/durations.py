"""How long each test took, and how much CPU time: ``pytest --durations-file FILE``."""

import resource
from collections import defaultdict
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--durations-file", type=Path, help="write the time of each test and file")


def pytest_configure(config: pytest.Config) -> None:
    path: Path | None = config.getoption("durations_file")
    if path is None:
        return
    config.pluginmanager.register(CpuClock())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations(config.rootpath / path))


class CpuClock:
    """Adds to each report the CPU time since the one before, in seconds.

    It contains the processes that the test has started, once they have ended.
    """

    def __init__(self) -> None:
        self._before = _cpu_s()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        now = _cpu_s()
        vars(report)["cpu_s"], self._before = now - self._before, now
        return report


def _cpu_s() -> float:
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in used)


@dataclass
class Cost:
    """What a test or a file took, in seconds."""

    wall_s: float = 0
    cpu_s: float = 0

    def add(self, report: pytest.TestReport) -> None:
        self.wall_s += report.duration
        self.cpu_s += report.cpu_s


@dataclass(eq=False)
class Durations:
    """Adds up what all tests took, with their fixtures."""

    path: Path
    tests: defaultdict[str, Cost] = field(default_factory=lambda: defaultdict(Cost))
    files: defaultdict[str, Cost] = field(default_factory=lambda: defaultdict(Cost))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.tests[report.nodeid].add(report)
        self.files[report.nodeid.partition("::")[0]].add(report)

    def pytest_sessionfinish(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        total = Cost(*(sum(part) for part in zip(*map(_seconds, self.files.values()), strict=True)))
        lines = [*_ranked({"in all": total}), "", *_ranked(self.files), "", *_ranked(self.tests)]
        self.path.write_text("\n".join([*lines, ""]))


def _seconds(cost: Cost) -> tuple[float, float]:
    return cost.wall_s, cost.cpu_s


def _ranked(costs: Mapping[str, Cost]) -> list[str]:
    longest_first = sorted(costs.items(), key=lambda item: -item[1].wall_s)
    return [f"{cost.wall_s:10.2f} s {cost.cpu_s:8.2f} CPU s {name}" for name, cost in longest_first]
