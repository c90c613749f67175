"""A folder with a module for every import, each of which records that it was imported."""

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

OURS = {"api", "db", "worker", "zpruner", "celeryconfig", "sitecustomize", "usercustomize"}
PACKAGES = {"api", "celery", "json", "torch", "worker"}
MODULE = """
with __builtins__["open"]({canary!r}, "a") as file:
    file.write(__name__ + "\\n")
raise SystemExit("imported from the current folder: " + __name__)
"""


class HostileFolder:
    """Has a module for every top-level name: the standard library's, installed ones and ours."""

    def __init__(self, folder: Path) -> None:
        self.path, self._canary = folder / "hostile", folder / "canary"
        self.path.mkdir()
        names = OURS | set(sys.stdlib_module_names) | set(packages_distributions())
        for name in filter(str.isidentifier, names):
            self._write(name)

    @property
    def imported(self) -> list[str]:
        """The names of the modules that were imported from this folder."""
        return self._canary.read_text().split() if self._canary.exists() else []

    def forget(self) -> None:
        """Clear the record of imports."""
        self._canary.unlink()

    def _write(self, name: str) -> None:
        target = self.path / f"{name}.py"
        if name in PACKAGES:
            (self.path / name).mkdir()
            target = self.path / name / "__init__.py"
        target.write_text(MODULE.format(canary=str(self._canary)))
