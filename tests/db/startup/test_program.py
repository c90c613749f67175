"""Programs are imported without garbage collections, and then run with them."""

import gc
import sys
from pathlib import Path

import pytest

from db.startup import program

MODULE = """
import gc, sys
IS_COLLECTING = gc.isenabled()
def main():
    import __main__
    seen.extend([IS_COLLECTING, gc.isenabled(), gc.get_freeze_count(), sys.argv[1:]])
    seen.append(__main__.__spec__.name)
seen = []
"""


def test_only_the_imports_of_a_program_run_without_garbage_collections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_program.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(sys, "argv", ["program.py", "a_program", "--port", "80"])
    frozen_before = gc.get_freeze_count()
    program.main()
    at_import, in_main, frozen, arguments, main = sys.modules.pop("a_program").seen
    assert (at_import, in_main, arguments) == (False, True, ["--port", "80"])
    assert main == "a_program"
    assert frozen > frozen_before
