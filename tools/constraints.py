"""Pin the Docker images to this environment's package versions: ``python -m tools.constraints``."""

import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
FILE = ROOT / "constraints.txt"
# Not pinned: each machine needs its own build of torch and its CUDA libraries.
MACHINE_SPECIFIC = ("torch", "triton", "nvidia-", "cuda-")
PURE_PYTHON = ("nvidia-ml-py",)
HEADER = """\
# The versions that passed the tests; the images install them. Renew after `make test`:
#   python -m tools.constraints
"""


def main() -> None:
    """Write the versions of all direct and indirect dependencies that are not machine-specific."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [Requirement(line) for line in project["dependencies"]]
    for lines in project["optional-dependencies"].values():
        requirements += [
            Requirement(line) for line in lines if not line.startswith(project["name"])
        ]
    names = {name for one in requirements for name in required_names(one, set())}
    lines = [
        f"{name}=={distribution(name).version}\n"
        for name in sorted(names)
        if name in PURE_PYTHON or not name.startswith(MACHINE_SPECIFIC)
    ]
    FILE.write_text(HEADER + "".join(lines))


def required_names(requirement: Requirement, seen: set[tuple[str, str]]) -> Iterator[str]:
    """Yield the name of a requirement and of its direct and indirect dependencies."""
    name = canonicalize_name(requirement.name)
    yield name
    for extra in ("", *requirement.extras):
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in distribution(name).requires or ():
            dependency = Requirement(line)
            if dependency.marker is None or dependency.marker.evaluate({"extra": extra}):
                yield from required_names(dependency, seen)


if __name__ == "__main__":
    main()
