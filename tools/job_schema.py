"""Write what the client knows of a job's fields: ``python -m tools.job_schema``.

The command line reads the JSON schema of the fields; the Python client has their types.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from api.schemas.requests import JobRequest
from db.spec.prune_spec import PruneSpec

PACKAGE = Path(__file__).parents[1] / "zpruner"
FILE = PACKAGE / "cli" / "prune_spec.json"
OPTIONS = PACKAGE / "client" / "models" / "job_options.py"
POSITIONAL = ("model", "sparsity", "dataset")
"""The fields that are parameters of their own."""
PLAIN = {"string": "str", "number": "float", "integer": "int", "boolean": "bool", "null": "None"}
ORDER = ("datetime", "timedelta", "Mapping", "Sequence", "bool", "float", "int", "str", "None")
HEADER = '''\
"""The options of a request for a job; written by ``python -m tools.job_schema``."""

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


def options_text() -> str:
    """Return the module with the types of the client's options."""
    schema = JobRequest.model_json_schema()
    named = dict[str, list[str]]()
    lines = [
        f"    {name}: {_type(field, schema['$defs'], named)}\n"
        for name, field in schema["properties"].items()
        if name not in POSITIONAL
    ]
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
    FILE.write_text(schema_text())
    OPTIONS.write_text(options_text())


if __name__ == "__main__":
    main()
