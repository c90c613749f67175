"""Other users cannot read the service's files."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from db.startup.private_files import keep_private
from db.startup.read_settings import SettingsError


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_folder_and_its_files_are_private(tmp_path: Path) -> None:
    keep_private(tmp_path / "a" / "b")
    (tmp_path / "a" / "b" / "file").touch()
    modes = [mode(tmp_path / name) for name in ("a", "a/b", "a/b/file")]
    assert modes == [0o700, 0o700, 0o600]


def test_other_users_lose_access_to_an_existing_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    keep_private(tmp_path)
    assert mode(tmp_path) == 0o700


def test_a_folder_of_another_user_is_rejected_with_a_remedy(tmp_path: Path) -> None:
    folder = Path("/usr")
    if os.geteuid() == 0:
        folder = tmp_path
        os.chown(folder, 12_345, 12_345)
    before = mode(folder)
    with pytest.raises(
        SettingsError, match=r"ZPRUNER_DATA_DIR=.*belongs to another user.*this user"
    ):
        keep_private(folder)
    assert mode(folder) == before


def test_a_file_instead_of_a_folder_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="ZPRUNER_DATA_DIR"):
        keep_private(tmp_path / "file")


def test_neither_the_process_nor_its_children_write_core_dumps(tmp_path: Path) -> None:
    program = (
        "import resource, subprocess, sys\n"
        "from pathlib import Path\n"
        "from db.startup.private_files import keep_private\n"
        "keep_private(Path(sys.argv[1]))\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE))\n"
        "subprocess.run(['sh', '-c', 'ulimit -c'])\n"
    )
    command = [sys.executable, "-u", "-c", program, str(tmp_path)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    # The unit of the shell is a block, so it shows a byte as no block.
    assert lines in [["(1, 1)", "0"], ["(0, 0)", "0"]]
