"""The commands that start the service's programs."""

import os
import sys

from zpruner.programs import PROGRAMS, command, environment, source_folder


def test_every_program_starts_with_a_safe_path() -> None:
    for program in PROGRAMS:
        assert command(program)[:3] == [sys.executable, "-P", "-m"]


def test_our_packages_come_first_and_the_current_folder_never() -> None:
    # As after PYTHONPATH=$PYTHONPATH:/elsewhere: an empty entry is the current folder.
    made = environment({"PYTHONPATH": f":/elsewhere:{source_folder()}:", "LANG": "C"})
    paths = made.pop("PYTHONPATH").split(os.pathsep)
    assert paths == [str(source_folder()), "/elsewhere"]
    assert made == {"LANG": "C", "PYTHONSAFEPATH": "1"}
    assert (source_folder() / "db" / "access" / "keys.py").is_file()
