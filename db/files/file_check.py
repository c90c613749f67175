"""Looks at a file of a dataset, in a bounded process where it could take much memory.

A few bytes of JSON become many times as much in memory, and a few of Parquet without any bound.
"""

import json
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from db.core.errors import SpecRefusedError, UploadRefusedError
from db.files.bounded_process import BoundsExceededError, run_bounded, serve_bounded
from db.spec.datafiles import PARQUET, DataFile
from db.spec.textcheck import check_upload, peek

SMALL_BYTES = 128 << 10
"""What so few bytes become is bounded enough."""
JSON_MEMORY_BYTES = 512 << 20
PARQUET_MEMORY_BYTES = 1 << 30
"""Of addresses: the library reserves more than it touches."""
AT_ONCE = BoundedSemaphore(2)
CHECKS = {"upload": check_upload, "peek": peek}
REMEDY = "Split it into several files, or shorten its rows."


def check_file(file: DataFile, check: str) -> list[str]:
    """Do one of ``CHECKS``; where the file is large, in a process of its own, two at once.

    Returns:
        What could not be checked, in words.

    Raises:
        SpecRefusedError: what the check raises, or it takes too much memory or time.
        UploadRefusedError: the same of an upload.
    """
    is_table = file.suffix == PARQUET
    streams = check == "upload" and not file.holds_rows
    if streams or (not is_table and file.path.stat().st_size <= SMALL_BYTES):
        CHECKS[check](file)
        return _taken_for_text(file)
    asked = {"path": str(file.path), "check": check, "field": file.field}
    asked |= {"name": file.name, "text_field": file.text_field or ""}
    memory_bytes = PARQUET_MEMORY_BYTES if is_table else JSON_MEMORY_BYTES
    kind = UploadRefusedError if check == "upload" else SpecRefusedError
    try:
        with AT_ONCE:
            answer = run_bounded(__name__, asked, memory_bytes=memory_bytes)
    except BoundsExceededError as error:
        reason = f"it cannot be looked at: {error}"
        raise kind(file.field, file.name, "unreadable_dataset", reason, REMEDY) from None
    if refused := answer.get("refused"):
        raise kind(*refused)
    if "unchecked" in answer:
        return [answer["unchecked"]]
    return _taken_for_text(file)


def _taken_for_text(file: DataFile) -> list[str]:
    """Return a warning where a plain text begins like a file of rows."""
    if file.holds_rows:
        return []
    with file.path.open("rb") as opened:
        first = opened.readline(SMALL_BYTES)
    try:
        is_object = isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        return []
    about = f"{file.field} {file.name} is read as plain text, though its first line is an object"
    return [f"{about} of JSON; as a .jsonl file, its rows would be read."]


def _work(asked: dict[str, Any]) -> dict[str, Any]:
    file = DataFile(Path(asked["path"]), asked["field"], asked["name"], asked["text_field"] or None)
    try:
        CHECKS[asked["check"]](file)
    except SpecRefusedError as error:
        return {"refused": error.args}
    except ModuleNotFoundError as error:
        missing = f"{error.name} is not installed beside the API"
        return {"unchecked": f"{file.field} {file.name} was not checked: {missing}."}
    return {}


if __name__ == "__main__":
    serve_bounded(_work)
