"""The commands that start the service's programs."""

import os
import subprocess
import sys
from pathlib import Path

from zpruner.parts.programs import PROGRAMS, command, environment, source_folder


def test_every_program_starts_with_a_safe_path() -> None:
    for program in PROGRAMS:
        assert command(program)[:3] == [sys.executable, "-P", "-m"]


def test_the_control_process_describes_itself_and_starts_nothing(tmp_path: Path) -> None:
    home = environment() | {"HOME": str(tmp_path), "HF_HOME": str(tmp_path / "hub")}
    done = subprocess.run(
        command("control", "--help"), env=home, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "zpruner" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_our_packages_come_first_and_the_current_folder_never() -> None:
    # As after PYTHONPATH=$PYTHONPATH:/elsewhere: an empty entry is the current folder.
    made = environment({"PYTHONPATH": f":/elsewhere:{source_folder()}:", "LANG": "C"})
    paths = made.pop("PYTHONPATH").split(os.pathsep)
    assert paths == [str(source_folder()), "/elsewhere"]
    assert made == {"LANG": "C", "PYTHONSAFEPATH": "1"}
    assert (source_folder() / "db" / "access" / "keys.py").is_file()


def test_the_help_of_gguf_needs_none_of_the_packages_that_a_client_lacks(tmp_path: Path) -> None:
    lacking = ("gguf", "sentencepiece", "torch", "transformers", "sqlalchemy", "numpy", "kombu")
    for name in (*lacking, "pydantic_settings", "huggingface_hub", "obstore", "uuid_utils"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}')")
    words = [sys.executable, "-P", "-m", "zpruner", "gguf", "--help"]
    home = environment({**os.environ, "PYTHONPATH": str(tmp_path)})
    done = subprocess.run(words, env=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "--converter" in done.stdout
