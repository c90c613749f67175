"""Lock the packages of the container images, with hashes: ``python -m tools.lock``.

The versions are those of this environment, so run it after `make test`. torch's CUDA libraries are
those that its version requires.
"""

import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path
from tempfile import NamedTemporaryFile

from packaging.version import Version

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
PYTHON = "3.12"
"""The Python version of both images."""
IMAGES = {"api": ("api", "otel"), "worker": ("gpu", "eval", "otel")}
"""The extras that each image installs."""


def main() -> None:
    """Write a file of requirements for each image, and one for building the wheel."""
    FOLDER.mkdir(exist_ok=True)
    with NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.writelines(installed_versions())
        constraints.flush()
        for image, extras in IMAGES.items():
            sources = [str(ROOT / "pyproject.toml"), *(f"--extra={extra}" for extra in extras)]
            _compile(image, sources, constraints.name)
        _compile("build", [str(FOLDER / "build.in")], constraints.name)


def installed_versions() -> list[str]:
    """Return a constraint for each package of this environment.

    A local version, such as torch's ``2.13.0+cpu``, is not on the index; its public version is.
    """
    found = {one.name: Version(one.version).public for one in distributions()}
    return [f"{name}=={version}\n" for name, version in sorted(found.items()) if name != "zpruner"]


def _compile(name: str, sources: Sequence[str], constraints: str) -> None:
    options = ["--universal", "--generate-hashes", "--no-annotate", "--quiet", "--upgrade"]
    command = [sys.executable, "-m", "uv", "pip", "compile", *sources, *options]
    command += ["--python-version", PYTHON, "--constraints", constraints]
    command += ["--custom-compile-command", "python -m tools.lock"]
    subprocess.run([*command, "--output-file", str(FOLDER / f"{name}.txt")], check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
