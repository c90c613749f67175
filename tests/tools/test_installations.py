"""Every installation from a checkout takes the versions of requirements/constraints.txt."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tools.lock import CONSTRAINTS, IMAGES, ROOT

HELD = re.compile(
    r"(-c|--constraint)[ =](\$\(LOCK\)|requirements/constraints\.txt)|--require-hashes|--no-index"
)
ELSEWHERE = {'"$CLIENT"', "'optimum-intel[openvino]'"}
"""Installed in environments that are not a checkout's: by a user's workflow, beside the worker."""
PLACES = ["Makefile", ".ci/run", ".github/**/*.yml", "Dockerfile.gpu", "*.md", "docs/**/*.md"]


def installations(text: str) -> list[str]:
    """The words after each ``pip install``, up to the end of the command."""
    joined = text.replace("\\\n", "")
    return [one.strip() for one in re.findall(r"pip install ([^`#\n;&|]+)", joined)]


def free(text: str) -> list[str]:
    """The installations that take whatever is newest that day."""
    return [one for one in installations(text) if not HELD.search(one) and one not in ELSEWHERE]


def pinned() -> dict[str, str]:
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    pins = [re.fullmatch(r"([\w.-]+)==(\S+)( ; .+)?", line) for line in lines]
    assert all(pins)
    assert len(lines) > 200
    return {pin[1]: pin[2] for pin in pins if pin is not None}


def requirements() -> Iterator[Requirement]:
    file = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [file["project"]["dependencies"], file["build-system"]["requires"]]
    lists += [*file["project"]["optional-dependencies"].values()]
    lists += [*file["dependency-groups"].values()]
    for requirement in map(Requirement, (line for lines in lists for line in lines)):
        if requirement.name != file["project"]["name"]:
            yield requirement


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_installation_is_held_to_the_lock() -> None:
    files = [file for place in PLACES for file in sorted(ROOT.glob(place))]
    found = {str(file.relative_to(ROOT)): file.read_text("utf-8") for file in files}
    assert {name: free(text) for name, text in found.items() if free(text)} == {}
    assert sum(len(installations(text)) for text in found.values()) > 15


@pytest.mark.parametrize(
    "text",
    [
        "\t$(BIN)/python -m pip install --quiet --editable '.[embedded]' --group dev\n",
        "RUN pip install --no-cache-dir \\\n    zpruner\n",
        "run `pip install '.[eval]'` in a checkout",
        "pip install --constraint other.txt .",
    ],
)
def test_an_installation_without_the_lock_is_found(text: str) -> None:
    assert len(free(text)) == 1


def test_the_makefile_installs_by_one_command_and_pip_itself() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert len(installations(makefile)) == 2
    assert "--constraint $(LOCK) --build-constraint $(LOCK)" in makefile


def test_the_lock_has_one_version_of_each_package_that_is_named_and_of_the_images() -> None:
    versions = pinned()
    wrong = [
        str(one) for one in requirements() if versions[canonical(one.name)] not in one.specifier
    ]
    assert wrong == []
    for image in (*IMAGES, "build"):
        text = (CONSTRAINTS.parent / f"{image}.txt").read_text()
        pins = re.findall(r"^([\w.-]+)==([^\s;]+)", text, re.MULTILINE)
        assert len(pins) > 3
        assert dict(pins).items() <= versions.items()


def test_every_bound_of_a_package_is_the_same_wherever_it_is_named() -> None:
    """`make test-lowest` installs the highest of a package's lower bounds."""
    bounds: dict[str, set[str]] = {}
    for one in requirements():
        bounds.setdefault(canonical(one.name), set()).add(str(one.specifier))
    assert {name: found for name, found in bounds.items() if len(found) > 1} == {}


def test_a_changed_lock_makes_each_target_install_again(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("bin/python", *(f".installed-{one}" for one in ("pip", "demo", "dev"))):
        (tmp_path / name).touch()
    for target in ("demo", "test", "check"):
        command = ["make", "--dry-run", f"VENV={tmp_path}", target]
        same, changed = (
            subprocess.run([*command, *more], cwd=ROOT, capture_output=True, text=True, check=True)
            for more in ([], [f"--what-if={CONSTRAINTS.relative_to(ROOT)}"])
        )
        assert not installations(same.stdout)
        assert len(installations(changed.stdout)) == 2
        assert free(changed.stdout.replace("--constraint requirements", "--constraint other")) != []
