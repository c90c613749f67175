"""How long each test took, kept in a file: ``pytest --durations-file FILE``."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--durations-file", type=Path, help="write the time of each test and file")


def pytest_configure(config: pytest.Config) -> None:
    path: Path | None = config.getoption("durations_file")
    if path is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations(config.rootpath / path))


class Durations:
    """Adds up the wall time of all tests, with their fixtures."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tests: defaultdict[str, float] = defaultdict(float)
        self._files: defaultdict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._tests[report.nodeid] += report.duration
        self._files[report.nodeid.partition("::")[0]] += report.duration

    def pytest_sessionfinish(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{sum(self._tests.values()):10.1f} s in all", "", *ranked(self._files), ""]
        self._path.write_text("\n".join([*lines, *ranked(self._tests), ""]))


def ranked(durations: Mapping[str, float]) -> list[str]:
    longest_first = sorted(durations.items(), key=lambda item: -item[1])
    return [f"{seconds:10.2f} s {name}" for name, seconds in longest_first]
