"""The JSON files of tables that are measured in several runs."""

import json
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
