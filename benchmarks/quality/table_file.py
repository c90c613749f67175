"""The files of tables: JSON, and Markdown beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def opened(path: Path, protocol: dict[str, Any], resume: bool) -> dict[str, Any]:
    """Return the table in the file if ``resume`` is set and the file exists; else a new one.

    Args:
        path: the file.
        protocol: the settings that all figures of the table share.
        resume: whether figures that were measured before are kept.

    Raises:
        SystemExit: the table in the file was measured with another protocol.
    """
    if not (resume and path.exists()):
        return {"protocol": protocol}
    table: dict[str, Any] = json.loads(path.read_text())
    if table["protocol"] != protocol:
        raise SystemExit(f"{path} was measured with another protocol: {table['protocol']}")
    return table


def save(path: Path, table: Mapping[str, Any], markdown: str) -> None:
    """Write a table to its JSON file, and to a Markdown file beside it."""
    path.write_text(json.dumps(table, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown)
