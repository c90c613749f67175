"""The folder that the processes of the API share."""

import os
import time
from pathlib import Path

import pytest

from zpruner.serve import shared_folder as module
from zpruner.serve.shared_folder import NEW_FOR_S, PREFIX, shared_folder


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "MEMORY", tmp_path)
    return tmp_path


def make_older(folder: Path) -> None:
    before = time.time() - NEW_FOR_S - 1
    os.utime(folder, (before, before))


def test_it_is_private_and_removed_afterwards(memory: Path) -> None:
    with shared_folder() as folder:
        assert folder.parent == memory
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "file").touch()
    assert list(memory.iterdir()) == []


def test_those_of_killed_services_are_removed_and_those_in_use_are_not(memory: Path) -> None:
    (abandoned := memory / f"{PREFIX}killed").mkdir()
    (abandoned / "file").touch()
    make_older(abandoned)
    (new := memory / f"{PREFIX}new").mkdir()
    (other := memory / "of-another-program").mkdir()
    with shared_folder() as used:
        make_older(used)
        with shared_folder() as folder:
            assert set(memory.iterdir()) == {new, other, used, folder}
