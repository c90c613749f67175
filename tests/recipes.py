"""Runs the commands in the documentation."""

import os
import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str, heading: str, language: str = "sh") -> list[str]:
    """Return the code blocks in a language under a heading of a page."""
    text = (DOCS / page).read_text()
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    assert found, f"{page} has no heading {heading}"
    return re.findall(rf"^```{language}\n(.*?)^```$", found[1], re.M | re.S)


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Return this process's environment without settings of the user, and with our programs."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("ZPRUNER_")
    }
    return inherited | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | variables


def bash(commands: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run commands as CI does: the first failure ends them."""
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment(variables),
        capture_output=True,
        text=True,
    )
