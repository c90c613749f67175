"""Generate files from the settings classes: ``python -m tools.settings_reference``.

It writes the tables in docs/settings.md, and a file with the names of all ``ZPRUNER_*`` variables.
``db`` reads the names from that file, because it must not import the settings of the other parts.
"""

import re
from pathlib import Path
from typing import Any

from api.core.settings import ApiSettings
from db.startup.connection_settings import MAX_S, ConnectionSettings
from db.startup.server_settings import ServerSettings
from db.startup.setting_names import NAMES_FILE, PREFIX
from db.startup.settings import Settings
from worker.settings import WorkerSettings
from zpruner.serve.serve import ServeSettings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
START, END = "<!-- made by `make generated` -->\n", "<!-- end of what is made -->\n"
PARTS: dict[type[Settings], str] = {
    Settings: "Every part",
    ServerSettings: "The API and `zpruner serve`",
    ApiSettings: "The API",
    WorkerSettings: "Workers and `control`",
}
UNDER_SERVE = ServeSettings.model_json_schema()["properties"]
CLIENT_NAMES = ("API_KEY", "URL")
UNITS = {"_bytes_per_s": "bytes a second", "_bytes": "bytes", "_s": "seconds", "_url": "URL"}
TYPES = {"integer": "integer", "number": "number", "string": "text", "object": "JSON"}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
LINK = re.compile(r"\(docs/([\w/-]+\.md)(#[\w-]+)?\)")
HEAD = "| name | value | default | meaning |\n|---|---|---|---|\n"


def names_text() -> str:
    """Return the names of all ``ZPRUNER_*`` variables, sorted, one per line."""
    fields = {name for part in PARTS for name in _prefixed(part)}
    return "".join(sorted(f"{PREFIX}{name.upper()}\n" for name in {*fields, *CLIENT_NAMES}))


def page_text() -> str:
    """Return the text of docs/settings.md with its tables updated."""
    return between_marks(PAGE, "".join([*map(_section, PARTS), "\n"]))


def between_marks(page: Path, text: str) -> str:
    """Return the text of a page with what is between its marks replaced."""
    before, _, rest = page.read_text("utf-8").partition(START)
    _, _, after = rest.partition(END)
    return "".join([before, START, text, END, after])


def _prefixed(part: type[Settings]) -> list[str]:
    """Return the fields that the class itself defines and whose variables start with ``PREFIX``."""
    fields, own = part.model_fields, dict(part.__annotations__)
    if part is Settings:
        own |= ConnectionSettings.__annotations__
    return [name for name in fields if name in own and fields[name].validation_alias is None]


def _section(part: type[Settings]) -> str:
    schemas = part.model_json_schema(by_alias=False)["properties"]
    rows = (_row(name, schemas[name]) for name in _prefixed(part) if name in schemas)
    return f"\n### {PARTS[part]}\n\n{HEAD}{''.join(rows)}"


def _row(name: str, schema: dict[str, Any]) -> str:
    meaning = LINK.sub(r"([\1](\1\2))", " ".join(schema["description"].split()))
    value = _value(name, schema.get("anyOf", [schema])[0])
    return f"| `{PREFIX}{name.upper()}` | {value} | {_default(name, schema)} | {meaning} |\n"


def _value(name: str, schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if schema["type"] == "boolean":
        return "`true`, `false`"
    if schema["type"] == "array":
        if "$ref" in schema["items"]:
            return "JSON"
        is_path = schema["items"].get("format") == "path"
        return "folders, separated as in `PATH`" if is_path else "names, separated by commas"
    if schema.get("format") == "path":
        return "file" if name.endswith("_file") else "folder"
    unit = next((UNITS[end] for end in UNITS if name.endswith(end)), TYPES[schema["type"]])
    bounds = [
        f"{sign} {schema[key]}"
        for key, sign in BOUNDS.items()
        if key in schema and schema[key] != MAX_S
    ]
    return ", ".join([unit, *bounds])


def _default(name: str, schema: dict[str, Any]) -> str:
    default = _written(name, schema["default"])
    under_serve = _written(name, UNDER_SERVE.get(name, schema)["default"])
    return default if under_serve == default else f"{default}; {under_serve} under `zpruner serve`"


def _written(name: str, default: Any) -> str:
    """Return a default as a user would set it; a time of two or more whole days also in days."""
    if default in (None, [], {}):
        return "none"
    if isinstance(default, list):
        return f"`{','.join(default)}`"
    days, rest = divmod(default, 86_400) if name.endswith("_s") else (0, 1)
    text = f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"
    return f"{text} ({days} days)" if days > 1 and not rest else text


def main() -> None:
    PAGE.write_text(page_text(), "utf-8")
    NAMES_FILE.write_text(names_text(), "utf-8")


if __name__ == "__main__":
    main()
