"""Pin for the images what the tests passed with: ``python -m tools.constraints``."""

import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FILE = ROOT / "constraints.txt"
# What depends on the machine: each takes the torch that is made for it, with its CUDA libraries.
OF_THE_MACHINE = ("torch", "triton", "nvidia-", "cuda-")
HEADER = """\
# What the tests passed with; the images are installed with it. To renew it after `make test`:
#   python -m tools.constraints
"""


def main() -> None:
    """Write the versions of all that the service needs, and of what that needs in turn."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [Requirement(line) for line in project["dependencies"]]
    for lines in project["optional-dependencies"].values():
        wanted += [Requirement(line) for line in lines if not line.startswith(project["name"])]
    names = {name for one in wanted for name in needed(one, set())}
    lines = [
        f"{name}=={distribution(name).version}\n"
        for name in sorted(names)
        if not name.startswith(OF_THE_MACHINE)
    ]
    FILE.write_text(HEADER + "".join(lines))


def needed(one: Requirement, seen: set[tuple[str, str]]) -> Iterator[str]:
    """Yield a requirement's name, and those of all that it needs here."""
    name = canonicalize_name(one.name)
    yield name
    for extra in ("", *one.extras):
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in distribution(name).requires or ():
            below = Requirement(line)
            if below.marker is None or below.marker.evaluate({"extra": extra}):
                yield from needed(below, seen)


if __name__ == "__main__":
    main()
