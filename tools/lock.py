"""Lock the packages that are installed: ``make lock``.

``constraints.txt`` has one version of every package, whatever the Python and the machine, and
every installation is held to it. The images install the same versions by hash.

Without an option the versions stay, as far as pyproject.toml allows; ``ARGS=--upgrade`` takes the
newest of all, ``ARGS='--upgrade-package NAME'`` of one. ``--lowest FILE`` writes the lowest
versions that pyproject.toml allows to another file, for `make test-lowest`.
"""

import argparse
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "requirements"
CONSTRAINTS = FOLDER / "constraints.txt"
IMAGE_PYTHON = "3.12"
"""The Python version of both images."""
IMAGES = {"api": ("api", "otel"), "worker": ("gpu", "eval", "otel")}
"""The extras that each image installs."""


def main() -> None:
    parser = argparse.ArgumentParser("python -m tools.lock", description=__doc__)
    parser.add_argument("--lowest", type=Path, metavar="FILE", help="write the lowest versions")
    arguments, options = parser.parse_known_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    everything = ["--all-extras", *(f"--group={name}" for name in project["dependency-groups"])]
    if arguments.lowest:
        _compile(arguments.lowest, [*everything, "--resolution=lowest-direct", *options])
        return
    oldest = project["project"]["requires-python"].removeprefix(">=")
    _compile(CONSTRAINTS, [*everything, *_universal(oldest), "--fork-strategy=fewest", *options])
    held = [*_universal(IMAGE_PYTHON), f"--constraint={CONSTRAINTS}", "--generate-hashes"]
    for image, extras in IMAGES.items():
        named = [f"--extra={extra}" for extra in extras]
        _compile(FOLDER / f"{image}.txt", [*named, *held, "--upgrade"])
    build = "\n".join(project["build-system"]["requires"])
    _compile(FOLDER / "build.txt", [*held, "--upgrade"], source="-", text=build)


def _universal(python: str) -> list[str]:
    return ["--universal", f"--python-version={python}"]


def _compile(
    file: Path, options: Sequence[str], source: str = "pyproject.toml", text: str = ""
) -> None:
    command = [sys.executable, "-m", "uv", "pip", "compile", source, *options]
    command += ["--no-annotate", "--quiet", "--custom-compile-command", "make lock"]
    command += ["--output-file", str(file)]
    subprocess.run(command, input=text, text=True, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
