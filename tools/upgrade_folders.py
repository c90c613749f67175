"""The stored data folders of releases, which tests/upgrades opens."""

import json
import tomllib
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDERS = ROOT / "tests" / "upgrades" / "data"
ARCHIVE = "folder.tar.xz"
CONTENTS = "contents.json"
"""The names of the half-done jobs, what the release's API said of the finished one, and `CODE`."""
FINISHED, HALF_DONE, CODE = "finished", "half_done", "code"
PACKAGES = ("db", "worker")
"""The packages that write a data folder."""


def this_version(root: Path = ROOT) -> str:
    """Return the version in pyproject.toml; the installed one may be older."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def contents(version: str, folders: Path = FOLDERS) -> dict[str, Any]:
    """Return what is known of a release's folder."""
    found: dict[str, Any] = json.loads((folders / version / CONTENTS).read_text("utf-8"))
    return found


def code_digest(root: Path = ROOT) -> str:
    """Return one hash of the Python files that write a data folder."""
    content = sha256()
    for path in sorted(path for name in PACKAGES for path in (root / name).rglob("*.py")):
        content.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return content.hexdigest()
