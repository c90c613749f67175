"""A run of other tests, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

INI = """
[pytest]
markers =
    e2e
    chaos
    browser
    handoff
    postgres
    process
    gpu
filterwarnings = error
"""


def write_tests(folder: Path, **sources: str) -> None:
    """Write test files, each named by the path below the folder, with ``__`` for a slash."""
    (folder / "pytest.ini").write_text(INI)
    for name, source in sources.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(source))


def command(plugin: str, *arguments: str) -> list[str]:
    """Return the command that runs the tests of the current folder with one of our plugins."""
    plugins = ("xdist", "pytest_timeout", f"tests.suite.{plugin}", "no:cacheprovider")
    words = [word for name in plugins for word in ("-p", name)]
    return [sys.executable, "-m", "pytest", *words, "--import-mode=importlib", *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run_tests(
    folder: Path, plugin: str, *arguments: str, **sources: str
) -> "subprocess.CompletedProcess[str]":
    """Run test files with one of our plugins."""
    write_tests(folder, **sources)
    words = command(plugin, *arguments)
    return subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
