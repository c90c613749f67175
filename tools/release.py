"""Check that this checkout is a release, and build it into dist: ``python -m tools.release``.

The changelog, the documentation and the upgrade data have to be those of the version in
pyproject.toml, and everything has to be committed. The wheel is installed once, and its command
is run. With ``--check`` nothing is built, and upgrade data that are missing are written.
"""

import argparse
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from email import message_from_string
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.version import Version

from tools.upgrade_folders import (
    ARCHIVE,
    CODE,
    CONTENTS,
    FOLDERS,
    ROOT,
    code_digest,
    contents,
    this_version,
)

DIST = ROOT / "dist"
HEADING = re.compile(r"^## \[(?P<name>[^\]]+)\](?: - (?P<date>\S+))?$", re.MULTILINE)
UNRELEASED = "Unreleased"
NAMING = {"docs/ci.md": "@v{version}"}
"""Files that name the newest release, and how they do."""
PAGE = "zpruner/_service/api/dashboard/dist/index.html"
MOST_BYTES = 1_000_000
"""The largest archive of upgrade data."""


def main() -> None:
    parser = argparse.ArgumentParser("python -m tools.release", description=__doc__)
    parser.add_argument(
        "--date",
        type=date.fromisoformat,
        default=datetime.now(UTC).date(),
        help="the date of the release in the changelog; by default today's in UTC",
    )
    parser.add_argument("--check", action="store_true", help="check only, before the commit")
    options, version = parser.parse_args(), this_version()
    if options.check:
        write_missing_upgrade_data(FOLDERS, version, partial(_run, "tools.upgrade_data"))
    problems = list(release_problems(version, options.date))
    problems += [] if options.check else built_problems(version)
    if problems:
        sys.exit("\n".join([f"{version} cannot be released:", *(f"- {one}" for one in problems)]))
    if options.check:
        print(f"{version} can be released: make release")
        return
    print(f"{version} is in {DIST}. Tag its commit: git tag --annotate v{version}")


def release_problems(version: str, day: date) -> Iterator[str]:
    """Yield what has to be mended in this checkout before the version is built."""
    yield from changelog_problems((ROOT / "CHANGELOG.md").read_text("utf-8"), version, day)
    yield from naming_problems(ROOT, version)
    yield from upgrade_data_problems(FOLDERS, version, code_digest())
    yield from git_problems(ROOT, version)


def changelog_problems(text: str, version: str, day: date) -> Iterator[str]:
    """Yield what is wrong with the first headings of a changelog."""
    found = list(HEADING.finditer(text))
    names = [one["name"] for one in found]
    if names[:2] != [UNRELEASED, version]:
        yield f"CHANGELOG.md begins with {names[:2]}; it needs [{UNRELEASED}], then [{version}]"
        return
    if text[found[0].end() : found[1].start()].strip():
        yield f"CHANGELOG.md has lines under [{UNRELEASED}]; they belong to [{version}]"
    if found[1]["date"] != day.isoformat():
        yield f"CHANGELOG.md dates [{version}] {found[1]['date']}, not {day}; give another --date"
    end = found[2].start() if len(found) > 2 else len(text)
    if not text[found[1].end() : end].strip():
        yield f"CHANGELOG.md has no line under [{version}]"
    if len(found) > 2 and Version(version) <= Version(names[2]):
        yield f"{version} is not newer than {names[2]}, the release before"


def naming_problems(root: Path, version: str) -> Iterator[str]:
    """Yield the files that name another release as the newest one."""
    for file, form in NAMING.items():
        if (named := form.format(version=version)) not in (root / file).read_text("utf-8"):
            yield f"{file} does not name {named}"


def write_missing_upgrade_data(folders: Path, version: str, write: Callable[[], object]) -> None:
    """Write the upgrade data of a version without any; those of a released one must not change."""
    if not (folders / version).exists():
        write()


def upgrade_data_problems(folders: Path, version: str, code: str) -> Iterator[str]:
    """Yield what is wrong with the upgrade data of a version; ``code`` is that of this checkout."""
    folder, remedy = folders / version, "run `make release-check` and commit its files"
    missing = [name for name in (ARCHIVE, CONTENTS) if not (folder / name).is_file()]
    if missing:
        remedy = f"delete {folder}, {remedy}" if folder.exists() else remedy
        yield f"upgrade data of {version} are missing ({', '.join(missing)}): {remedy}"
        return
    if contents(version, folders).get(CODE) != code:
        yield (
            f"upgrade data of {version} were written by other code than this: unless {version} "
            f"is released, delete {folder}, {remedy}"
        )
    if (size := (folder / ARCHIVE).stat().st_size) > MOST_BYTES:
        yield f"{ARCHIVE} of {version} has {size} bytes, more than {MOST_BYTES}"


def git_problems(root: Path, version: str) -> Iterator[str]:
    """Yield files that are not committed, and a tag that exists."""
    if changed := _git(root, "status", "--porcelain"):
        yield f"files are not committed:\n{changed}"
    if _git(root, "tag", "--list", f"v{version}"):
        yield f"the tag v{version} exists already"


def built_problems(version: str) -> Iterator[str]:
    """Build the wheel and the source distribution into `DIST`; yield what is wrong with them."""
    _run("hatchling", "build", "--clean", "-d", str(DIST))
    wheel = DIST / f"zpruner-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        described = archive.read(f"zpruner-{version}.dist-info/METADATA").decode()
    with tarfile.open(DIST / f"zpruner-{version}.tar.gz") as source:
        names_in_source = source.getnames()
    if (built := message_from_string(described)["Version"]) != version:
        yield f"{wheel.name} says that it is {built}"
    if PAGE not in names:
        yield f"{wheel.name} has no dashboard: run `make dashboard`"
    if f"zpruner-{version}/api/dashboard/dist/index.html" not in names_in_source:
        yield "the source distribution has no dashboard: run `make dashboard`"
    if (said := said_version(wheel)) != f"zpruner {version}":
        yield f"the installed command says {said!r}, not 'zpruner {version}'"


def said_version(wheel: Path) -> str:
    """Install a wheel into a new environment, with the libraries of this one; run its command."""
    with TemporaryDirectory(prefix="zpruner-release-") as folder:
        environment = Path(folder) / "venv"
        _run("venv", "--without-pip", str(environment))
        python = str(environment / "bin" / "python")
        _run("pip", "--python", python, "install", "--quiet", "--no-index", "--no-deps", str(wheel))
        (site,) = environment.glob("lib/python*/site-packages")
        # After the wheel's own, so that an installation of this checkout is not found first.
        (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
        command = [str(environment / "bin" / "zpruner"), "--version"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


def _git(root: Path, *words: str) -> str:
    command = ["git", *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.rstrip()


def _run(module: str, *words: str) -> None:
    subprocess.run([sys.executable, "-m", module, *words], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
