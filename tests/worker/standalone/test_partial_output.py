"""The folder that a command writes to: locked by one process, kept for the next after a kill."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from db.core.errors import SpecRefusedError
from worker.pruning.base.errors import PatternError
from worker.pruning.base.names import PROGRESS_FOLDER, WORKING_FOLDERS
from worker.standalone.partial_output import partial_folder


def left(out: Path) -> list[str]:
    return sorted(path.name for path in out.parent.iterdir())


def interrupt(out: Path, *made: str) -> None:
    """Begin to make ``out``, and stop when some files and folders (``name/``) are there."""
    with suppress(KeyboardInterrupt), partial_folder(out) as folder:
        for name in made:
            if name.endswith("/"):
                (folder / name).mkdir()
            else:
                (folder / name).write_text(name)
        raise KeyboardInterrupt


def test_a_finished_folder_gets_its_final_name(tmp_path: Path) -> None:
    with partial_folder(tmp_path / "deep" / "out") as folder:
        (folder / "config.json").write_text("{}")
    assert left(tmp_path / "deep" / "out") == ["out"]
    assert (tmp_path / "deep" / "out" / "config.json").read_text() == "{}"


@pytest.mark.parametrize("working", WORKING_FOLDERS)
def test_a_run_resumes_from_an_interrupted_one(tmp_path: Path, working: str) -> None:
    interrupt(tmp_path / "out", f"{working}/", "shard")
    assert left(tmp_path / "out") == [".out.partial"]
    with partial_folder(tmp_path / "out") as folder:
        assert (folder / "shard").read_text() == "shard"


def test_files_without_a_journal_are_not_delivered(tmp_path: Path) -> None:
    interrupt(tmp_path / "out", "of another model.json")
    with partial_folder(tmp_path / "out") as folder:
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "error", [PatternError("no"), SpecRefusedError("model", "a/b", "model_not_found", "no", "no")]
)
def test_a_refused_model_leaves_no_file(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)), partial_folder(tmp_path / "out"):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_mistyped_option_keeps_the_work_of_an_earlier_run(tmp_path: Path) -> None:
    interrupt(tmp_path / "out", f"{PROGRESS_FOLDER}/")
    with pytest.raises(SpecRefusedError), partial_folder(tmp_path / "out"):
        raise SpecRefusedError("model", "a/b", "model_not_found", "no such model", "Name another.")
    assert left(tmp_path / "out") == [".out.partial"]


HOLDS = """
import sys
from pathlib import Path
from worker.standalone.partial_output import partial_folder
with partial_folder(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_cannot_write_the_same_folder(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLDS, str(tmp_path / "out")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with (
            pytest.raises(SpecRefusedError, match="another process is writing it"),
            partial_folder(tmp_path / "out"),
        ):
            raise AssertionError("two at once")
        other.send_signal(signal.SIGKILL)
    with partial_folder(tmp_path / "out") as folder:
        assert folder.is_dir()


def test_a_folder_that_is_not_empty_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with (
        pytest.raises(SpecRefusedError, match="is not empty"),
        partial_folder(tmp_path / "out"),
    ):
        raise AssertionError("lent although taken")
    assert left(tmp_path / "out") == ["out"]


@pytest.mark.parametrize("error", [ValueError("no"), OSError("no"), RuntimeError("no")])
def test_an_end_before_the_first_block_leaves_nothing_not_even_new_parents(
    tmp_path: Path, error: Exception
) -> None:
    with pytest.raises(type(error)), partial_folder(tmp_path / "new" / "deep" / "out"):
        raise error
    assert list(tmp_path.iterdir()) == []


def test_an_unexpected_error_keeps_the_blocks_that_are_finished(tmp_path: Path) -> None:
    interrupt(tmp_path / "out", f"{PROGRESS_FOLDER}/")
    with pytest.raises(OSError, match="full"), partial_folder(tmp_path / "out"):
        raise OSError("full")
    assert left(tmp_path / "out") == [".out.partial"]
