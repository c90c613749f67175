"""The order of tests, and which of them run in one process: ``pytest -n 4 --dist loadfile``."""

import json
import os
from collections.abc import Iterable
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling

SERVICE = "the shared service"
"""The name of the group of all files with a test of the shared service: it is started once."""
WAITING = ("chaos", "e2e", "dashboard", "handoffs")
"""Folders whose tests wait for processes: they come first, in this order."""
LONGEST = ("test_contract.py", "fuzz", "simulation")
"""What computes longest: it comes last, where every second process begins."""
NOTE = pytest.StashKey[Path]()
"""The file in which processes that collect tests write the files of the group."""
UNTIL_GROUP_ENDS = pytest.StashKey[ExitStack]()
"""What is open until the last test of the group: the service would work until the run ends."""
LEFT = pytest.StashKey[set[str]]()
"""The ids of the group's tests that are not over."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests of the shared service first, and then those that wait for processes."""
    shared = shared_files(items)
    items.sort(key=lambda item: (item.path not in shared, rank(item)))
    if note := getattr(config, "workerinput", {}).get("shared"):
        new = Path(f"{note}-{os.getpid()}")
        new.write_text(json.dumps([item.nodeid for item in items if item.path in shared]))
        new.rename(note)  # all processes write the same


def pytest_configure(config: pytest.Config) -> None:
    config.stash[UNTIL_GROUP_ENDS] = ExitStack()


def pytest_collection_finish(session: pytest.Session) -> None:
    shared = shared_files(session.items)
    session.config.stash[LEFT] = {item.nodeid for item in session.items if item.path in shared}


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """After the last test of the group, close what only the group needs."""
    left = item.config.stash[LEFT]
    left.discard(item.nodeid)
    if not left:
        item.config.stash[UNTIL_GROUP_ENDS].close()


def shared_files(items: Iterable[pytest.Item]) -> set[Path]:
    """Return the files with a test of the shared service."""
    return {item.path for item in items if uses_shared_service(item)}


def uses_shared_service(item: pytest.Item) -> bool:
    return "shared_service" in getattr(item, "fixturenames", ())


def rank(item: pytest.Item) -> int:
    """Return how early the folder of a test comes: below 0 if it waits, above 0 if it computes."""
    parts = item.path.relative_to(item.config.rootpath).parts
    ranks = [number - len(WAITING) for number, name in enumerate(WAITING) if name in parts]
    ranks += [number + 1 for number, name in enumerate(LONGEST) if name in parts]
    return min(ranks, default=0)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "GroupOrFile | None":
    """Keep the tests of a file together, and those of all files of the group."""
    is_by_file = config.getoption("dist") == "loadfile"
    return GroupOrFile(config, log, config.stash[NOTE]) if is_by_file else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a process the path of the files of the group."""
    if NOTE not in node.config.stash:
        with NamedTemporaryFile(prefix="tests-of-service-", delete=False) as file:
            node.config.stash[NOTE] = Path(file.name)
        node.config.add_cleanup(lambda: Path(file.name).unlink())
    node.workerinput["shared"] = str(node.config.stash[NOTE])


class GroupOrFile(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """Gives a process all tests of a file, or of all files of the group.

    Every second process begins at the end of the order, so that tests compute while others wait.
    xdist's own groups are a part of a test's id, which pytest no longer lets it change.

    Args:
        note: the file with the ids of the group's tests, there once tests have been collected.
    """

    def __init__(self, config: pytest.Config, log: Any, note: Path) -> None:
        super().__init__(config, log)
        self._note = note

    @cached_property
    def _shared(self) -> set[str]:
        return set(json.loads(self._note.read_text()))

    def _assign_work_unit(self, node: Any) -> None:
        if self.nodes.index(node) % 2:
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        return SERVICE if nodeid in self._shared else str(super()._split_scope(nodeid))
