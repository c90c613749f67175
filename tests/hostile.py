"""A folder in which every import that Python looks for would be found, and would leave a mark."""

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

OURS = {"api", "db", "worker", "zpruner", "celeryconfig", "sitecustomize", "usercustomize"}
PACKAGES = {"api", "celery", "json", "torch", "worker"}
MARKS = """
with __builtins__["open"]({canary!r}, "a") as file:
    file.write(__name__ + "\\n")
raise SystemExit("imported from the current folder: " + __name__)
"""


class HostileFolder:
    """A module for each top-level name of the standard library, of what is installed, and ours."""

    def __init__(self, folder: Path) -> None:
        self.path, self._canary = folder / "hostile", folder / "canary"
        self.path.mkdir()
        names = OURS | set(sys.stdlib_module_names) | set(packages_distributions())
        for name in filter(str.isidentifier, names):
            self._write(name)

    @property
    def imported(self) -> list[str]:
        """The names of the modules that were imported from here."""
        return self._canary.read_text().split() if self._canary.exists() else []

    def forget(self) -> None:
        """Begin to note imports anew."""
        self._canary.unlink()

    def _write(self, name: str) -> None:
        target = self.path / f"{name}.py"
        if name in PACKAGES:
            (self.path / name).mkdir()
            target = self.path / name / "__init__.py"
        target.write_text(MARKS.format(canary=str(self._canary)))
