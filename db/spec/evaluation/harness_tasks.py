"""The names of the tasks that come with the LM Evaluation Harness, read without loading it."""

import os
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

EXTRA = "eval"
_PACKAGE = "lm_eval"
_WORD = rb"""["']?\w[\w.-]*["']?"""
"""A name as a job may write it; five of the harness have parentheses, and no job can name them."""
_NAMES = re.compile(
    rb"^[ \t{]*(?:-[ \t]+)?(?:[\"']?(?:task|group|tag)[\"']?[ \t]*:[ \t]*)?"
    rb"(" + _WORD + rb"|\[.*\])[ \t]*(?:#.*)?\r?$",
    re.MULTILINE,
)
"""Matches the values of the fields that name a task, a group or a tag, and all items of lists."""
_OTHERS = (".py", ".pyc", ".md", ".json", ".jsonl", ".txt", ".csv", ".png", ".sh")
"""Suffixes of files that name no tasks. Files that others include may have any other or none."""


def harness_version() -> str | None:
    """Return the version of the harness; None if it is not installed."""
    try:
        return version(_PACKAGE)
    except PackageNotFoundError:
        return None


@cache
def harness_tasks() -> frozenset[str]:
    """Return the names of all tasks, groups and tags of the harness, and some other words.

    The harness takes seconds to minutes to index its 14,000 files, because it parses them. Here
    they are only searched, so that a name that is not found is certainly none; the others are
    looked up by the worker.
    """
    spec = find_spec(_PACKAGE)
    folders = (spec and spec.submodule_search_locations) or ()
    names: set[str] = set()
    for folder in folders:
        for path, _, files in os.walk(Path(folder) / "tasks"):
            for file in files:
                if not file.endswith(_OTHERS):
                    names |= _words(Path(path, file).read_bytes())
    return frozenset(names)


def _words(content: bytes) -> set[str]:
    names = _NAMES.findall(content)
    words = (word for name in names for word in name.strip(b"[]").split(b","))
    return {word.strip(b" \t\"'").decode(errors="replace") for word in words}
