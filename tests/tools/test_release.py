import json
import subprocess
from datetime import date
from pathlib import Path

import pytest

from tools.release import (
    MOST_BYTES,
    changelog_problems,
    git_problems,
    naming_problems,
    upgrade_data_problems,
    write_missing_upgrade_data,
)
from tools.upgrade_folders import ARCHIVE, CODE, CONTENTS

DAY = date(2026, 11, 30)
CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.2.0] - 2026-11-30

- Something.

## [0.1.0] - 2026-11-26
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", None),
        ("## [Unreleased]\n\n", "", "it needs [Unreleased], then [0.2.0]"),
        ("[0.2.0] - 2026-11-30", "[0.1.9] - 2026-11-30", "it needs [Unreleased], then [0.2.0]"),
        ("## [Unreleased]\n", "## [Unreleased]\n\n- New.\n", "has lines under [Unreleased]"),
        ("2026-11-30", "2026-11-29", "dates [0.2.0] 2026-11-29, not 2026-11-30"),
        ("- Something.\n", "", "has no line under [0.2.0]"),
        ("[0.1.0]", "[0.10.0]", "0.2.0 is not newer than 0.10.0"),
    ],
)
def test_a_changelog_begins_with_the_cut_release(old: str, new: str, said: str | None) -> None:
    problems = list(changelog_problems(CHANGELOG.replace(old, new, 1), "0.2.0", DAY))
    assert len(problems) == (said is not None)
    assert said is None or said in problems[0]


def test_a_page_that_names_another_release_is_found(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "ci.md"
    page.parent.mkdir()
    page.write_text("z-pruner@v0.1.0\n")
    assert list(naming_problems(tmp_path, "0.1.0")) == []
    assert list(naming_problems(tmp_path, "0.2.0")) == ["docs/ci.md does not name @v0.2.0"]


def test_upgrade_data_are_those_of_the_version_and_its_code_and_small(tmp_path: Path) -> None:
    def problems() -> list[str]:
        return list(upgrade_data_problems(tmp_path, "0.2.0", "digest"))

    assert "are missing (folder.tar.xz, contents.json): run `make release-check`" in problems()[0]
    folder = tmp_path / "0.2.0"
    folder.mkdir()
    (folder / ARCHIVE).write_bytes(b"0")
    assert f"are missing (contents.json): delete {folder}, run" in problems()[0]
    (folder / CONTENTS).write_text(json.dumps({CODE: "digest"}))
    assert problems() == []
    (folder / ARCHIVE).write_bytes(bytes(MOST_BYTES + 1))
    (folder / CONTENTS).write_text(json.dumps({CODE: "another"}))
    assert ["written by other code" in problems()[0], "more than" in problems()[1]] == [True, True]


def test_upgrade_data_are_written_once(tmp_path: Path) -> None:
    archive = tmp_path / "0.2.0" / ARCHIVE

    def write() -> None:
        archive.parent.mkdir()
        archive.write_bytes(b"0")

    write_missing_upgrade_data(tmp_path, "0.2.0", write)
    archive.write_bytes(b"as released")
    write_missing_upgrade_data(tmp_path, "0.2.0", write)
    assert archive.read_bytes() == b"as released"


def test_uncommitted_files_and_an_existing_tag_are_found(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("")
    assert list(git_problems(tmp_path, "0.2.0")) == ["files are not committed:\n?? file"]
    git("add", "file")
    git("commit", "--message", "file")
    assert list(git_problems(tmp_path, "0.2.0")) == []
    git("tag", "v0.2.0")
    assert list(git_problems(tmp_path, "0.2.0")) == ["the tag v0.2.0 exists already"]
