"""Task files of one's own, checked before the LM Evaluation Harness sees what is in them.

The harness would run the code of any metric and open any other file that a task file names. So the
files are read here, and it is given their fields.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from worker.evaluation.task_fields import TaskError, check_fields
from worker.evaluation.task_functions import FunctionName

MAX_BYTES = 1 << 20
MAX_EVENTS = 100_000
MAX_FILES = 20
MAX_DEPTH = 50
"""Far below the depth at which a recursive reader fails."""
FUNCTION_TAG = "!function"
PLAIN_TAGS = "tag:yaml.org,2002:"
NOT_OF_TASKS = {"tag", "group", "group_alias", "task_list"}
"""The fields that a file may have, but that are not fields of its task."""


class TaskFiles:
    """The tasks and groups in some folders; of two with the same name, the last one counts.

    Args:
        folders: folders with YAML files of the harness.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder.resolve() for folder in folders]
        self._fields: dict[str, dict[str, Any]] = {}
        self._tagged: dict[str, list[str]] = {}
        self._faults: dict[str, TaskError] = {}
        for folder in self._folders:
            for path in sorted(folder.rglob("*.yaml")):
                self._add(path)

    def __contains__(self, name: str) -> bool:
        return name in self._fields or name in self._tagged or name in self._faults

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """Return the fields of a task, or of each task of a group or tag.

        Raises:
            TaskError: a file cannot be read, or asks for what a task must not do.
        """
        tasks: dict[str, dict[str, Any]] = {}
        waiting: list[Any] = [name]
        expanded: set[str] = set()
        while waiting:
            fields = self._member(waiting.pop(0))
            if "group" not in fields:
                tasks[fields["task"]] = self._checked(fields)
            elif fields["group"] not in expanded:
                expanded.add(fields["group"])
                if not isinstance(fields.get("task"), list):
                    raise TaskError("it is a group, and its task is not a list of names")
                waiting += fields["task"]
        if not tasks:
            raise TaskError("it is a group without tasks")
        return list(tasks.values())

    def _checked(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of a task, with its functions imported."""
        named = {key: value for key, value in fields.items() if isinstance(value, FunctionName)}
        plain = {key: fields[key] for key in fields.keys() - named.keys()}
        check_fields(plain, named)
        functions = {key: function.load(self._folders) for key, function in named.items()}
        return {key: plain[key] for key in plain.keys() - NOT_OF_TASKS} | functions

    def _member(self, member: Any) -> dict[str, Any]:
        """Return the fields of a group's member: a name, or a task's name with other fields."""
        name = member.get("task") if isinstance(member, dict) else member
        if not isinstance(name, str):
            raise TaskError(f"a member of a group is neither a name nor a task: {name!r:.80}")
        if name in self._faults:
            raise self._faults[name]
        if name in self._tagged and name not in self._fields:
            return {"group": name, "task": self._tagged[name]}
        if name not in self._fields:
            raise TaskError(f"its group names {name!r:.80}, and there is no file with this task")
        more = member if isinstance(member, dict) else {}
        return self._fields[name] | {key: more[key] for key in more.keys() - {"task", "group"}}

    def _add(self, path: Path) -> None:
        """Add what a file defines; a fault is kept under the file's name until it is asked for."""
        try:
            fields = self._read(path, set())
        except TaskError as error:
            self._faults[path.stem] = error
            return
        name, tags = fields.get("group", fields.get("task")), fields.get("tag", [])
        if not isinstance(name, str):
            return  # a file for others to include
        self._fields[name] = fields
        for tag in tags if isinstance(tags, list) else [tags]:
            if isinstance(tag, str):
                self._tagged.setdefault(tag, []).append(name)

    def _read(self, path: Path, seen: set[Path]) -> dict[str, Any]:
        """Return the fields of a file and of those that it includes; its own take precedence.

        Each is read once, because files that include others twice would double with each level.
        """
        real = Path(os.path.realpath(path))  # unlike resolve, it raises nothing for loops
        if not any(real.is_relative_to(folder) for folder in self._folders):
            raise TaskError(f"{path.name:.80} is outside of the folders of ZPRUNER_TASK_ROOTS")
        if real in seen or len(seen) == MAX_FILES:
            raise TaskError(f"{path.name:.80} is included twice, or after {MAX_FILES} other files")
        seen.add(real)
        own = _parsed(real)
        merged: dict[str, Any] = {}
        included = own.pop("include", [])
        for name in included if isinstance(included, list) else [included]:
            if not isinstance(name, str) or "\0" in name:
                raise TaskError(f"{path.name:.80} includes {name!r:.80}, which names no file")
            merged |= self._read(real.parent / name, seen)
        return merged | own


def _parsed(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise TaskError(f"there is no file {path.name:.80}")
    if path.stat().st_size > MAX_BYTES:
        raise TaskError(f"{path.name:.80} is larger than {MAX_BYTES >> 20} MiB")
    try:
        text = path.read_bytes().decode("utf-8")
        _check_events(yaml.parse(text, yaml.SafeLoader), path.name)
        fields = yaml.load(text, _loader(path))  # noqa: S506 - it is a kind of SafeLoader
    except TaskError:
        raise
    except (yaml.YAMLError, ValueError, OSError) as error:
        first = str(error).partition("\n")[0]
        raise TaskError(f"{path.name:.80} is not readable YAML ({first:.200})") from error
    if not isinstance(fields, dict) or not all(isinstance(key, str) for key in fields):
        raise TaskError(f"{path.name:.80} does not have fields with names")
    return fields


def _loader(path: Path) -> type[yaml.SafeLoader]:
    """Return a loader that keeps the names of functions, so that none is imported in vain."""

    class Loader(yaml.SafeLoader):
        pass

    def function_name(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> FunctionName:
        return FunctionName(path, str(loader.construct_scalar(node)))

    Loader.add_constructor(FUNCTION_TAG, function_name)
    return Loader


def _check_events(events: Iterator[yaml.Event], file: str) -> None:
    """Refuse tags of Python objects, and what takes more memory than its text, without building it.

    Raises:
        TaskError: the text has other tags, aliases, or too many or too deeply nested values.
    """
    depth = 0
    for number, event in enumerate(events):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        tag = getattr(event, "tag", None)
        is_plain = tag is None or (tag.startswith(PLAIN_TAGS) and "python" not in tag)
        if not is_plain and tag != FUNCTION_TAG:
            raise TaskError(f"{file:.80} has the tag {tag:.80}; only !function is supported")
        if isinstance(event, yaml.AliasEvent):
            raise TaskError(f"{file:.80} has an alias (*{event.anchor:.80})")
        if depth > MAX_DEPTH or number > MAX_EVENTS:
            raise TaskError(f"{file:.80} has too many or too deeply nested values")
