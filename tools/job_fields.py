"""Write what the client and the docs know of a job's fields: ``python -m tools.job_fields``.

The command line reads the JSON schema of the fields, and how they are grouped; the Python client
has their types, and the orders of a list of jobs; docs/jobs.md has a table of the fields.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from api.schemas.requests import JobRequest
from db.core.sort_key import ORDERS
from db.spec.descriptions.option import Place
from db.spec.prune_spec import OPTIONS, VARIED, PruneSpec
from tools.settings_reference import between_marks

PAGE = Path(__file__).parents[1] / "docs" / "jobs.md"
PACKAGE = Path(__file__).parents[1] / "zpruner"
GROUPS = PACKAGE / "cli" / "option_groups.json"
FILE = PACKAGE / "cli" / "prune_spec.json"
CLIENT = PACKAGE / "client" / "models" / "job_options.py"
UNGROUPED = ("model", "expect")
"""The fields that are no options of commands."""
REQUEST_DOCS = {
    "queue": "[Queues and workers](operations.md#queues-and-workers).",
    "priority": "−10 to 10; of equal ones, the oldest.",
    "not_before": "In a [trigger](triggers.md), from its call on.",
    "gate": "[Whether it is good enough](sweeps.md#whether-it-is-good-enough).",
    "max_cost": "[Prices and budgets](operations.md#prices-and-budgets).",
    "min_memory_gb": "[Memory of workers](operations.md#queues-and-workers).",
    "reuse": "That response is `200`. Without a `revision` the model may have changed since.",
}
"""What the table says of the fields that belong to the request, besides their descriptions."""
POSITIONAL = ("model", "sparsity", "dataset")
"""The fields that are parameters of their own."""
HEAD = "\n| field | default | meaning |\n|---|---|---|\n"
PLAIN = {"string": "str", "number": "float", "integer": "int", "boolean": "bool", "null": "None"}
ORDER = ("datetime", "timedelta", "Mapping", "Sequence", "bool", "float", "int", "str", "None")
HEADER = '''\
"""The options of a request for a job, and the orders of a list of jobs.

Written by ``python -m tools.job_fields``.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

'''
DOCSTRING = '''\


class JobOptions(TypedDict, total=False):
    """The fields of a request for a job besides its model, sparsity and dataset.

    docs/jobs.md describes them.
    """

'''


def schema_text() -> str:
    """Return the JSON schema of a specification."""
    return json.dumps(PruneSpec.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def groups_text() -> str:
    """Return the groups of the fields, the usual ones, and those that a sweep can vary."""
    groups: dict[str, list[str]] = {place.value[0]: [] for place in Place}
    for option in OPTIONS:
        for name in option.fields:
            if name not in UNGROUPED:
                groups[option.place_of(name)[0]].append(name)
    lists = [name for option in OPTIONS for name in option.varied_lists]
    shown = {
        "groups": groups,
        "usual": [name for option in OPTIONS for name in option.usual],
        "varied": [name for name in VARIED if name not in lists],
        "varied_lists": lists,
    }
    return json.dumps(shown, indent=1) + "\n"


def page_text() -> str:
    """Return the text of docs/jobs.md with its table updated."""
    more = {name: text for option in OPTIONS for name, text in option.docs.items()} | REQUEST_DOCS
    fields = JobRequest.model_json_schema()["properties"]
    rows = [_row(name, field, more.get(name, "")) for name, field in fields.items()]
    return between_marks(PAGE, HEAD + "".join(rows) + "\n")


def written() -> list[tuple[Path, str]]:
    """Return the files that are made from the fields, each with its text."""
    texts = (schema_text(), options_text(), groups_text(), page_text())
    return list(zip((FILE, CLIENT, GROUPS, PAGE), texts, strict=True))


def _row(name: str, field: Mapping[str, Any], more: str) -> str:
    default = field.get("default")
    shown = "" if default in (None, [], {}) else f"`{json.dumps(default).strip(chr(34))}`"
    meaning = " ".join([*field.get("description", "").split(), more]).strip().replace("|", "\\|")
    return f"| `{name}` | {shown} | {meaning} |\n"


def options_text() -> str:
    """Return the module with the types of the client's options."""
    schema = JobRequest.model_json_schema()
    named = dict[str, list[str]]()
    lines = [
        f"    {name}: {_type(field, schema['$defs'], named)}\n"
        for name, field in schema["properties"].items()
        if name not in POSITIONAL
    ]
    named["Order"] = list(ORDERS)
    aliases = "\n".join(_alias(name, values) for name, values in named.items())
    return HEADER + aliases + "\n" + DOCSTRING + "".join(lines)


def _alias(name: str, values: Sequence[str]) -> str:
    quoted = "".join(f"    {json.dumps(value)},\n" for value in values)
    return f"{name} = Literal[\n{quoted}]"


def _type(field: Mapping[str, Any], defs: Mapping[str, Any], named: dict[str, list[str]]) -> str:
    """Return a field's type as Python text; types of named choices are added to ``named``."""
    types = dict.fromkeys(_types(field, defs, named))
    if "datetime" in types:
        types["timedelta"] = None
    return " | ".join(sorted(types, key=_place))


def _types(
    field: Mapping[str, Any], defs: Mapping[str, Any], named: dict[str, list[str]]
) -> Iterator[str]:
    for form in field.get("anyOf", [field]):
        if "anyOf" in form:
            yield from _types(form, defs, named)
        elif "$ref" in form:
            yield _named(form["$ref"].rpartition("/")[2], defs, named)
        elif form.get("format") == "date-time":
            yield from ("datetime", "str")
        elif form["type"] == "array":
            yield f"Sequence[{_type(form['items'], defs, named)}]"
        elif form["type"] == "object":
            values = form.get("additionalProperties")
            of = _type(values, defs, named) if isinstance(values, dict) else "Any"
            yield f"Mapping[str, {of}]"
        else:
            yield PLAIN[form["type"]]


def _named(name: str, defs: Mapping[str, Any], named: dict[str, list[str]]) -> str:
    """Return the type of a definition: a choice of names, or an object."""
    if "enum" not in defs[name]:
        return "Mapping[str, Any]"
    named[name] = defs[name]["enum"]
    return name


def _place(text: str) -> tuple[int, str]:
    kind = text.partition("[")[0]
    return (ORDER.index(kind) if kind in ORDER else -1), text


def main() -> None:
    for file, text in written():
        file.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
