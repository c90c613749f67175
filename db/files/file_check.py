"""Checks of dataset files; a check that may need much memory runs in a memory-limited process.

JSON, once parsed, can take many times the size of its file in memory. Decompressed Parquet can take
any amount of memory.
"""

import json
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from db.core.errors import SpecRefusedError
from db.files.bounded_process import BoundsExceededError, run_bounded, serve_bounded
from db.spec.datasets.checks import check_upload, peek, read_all
from db.spec.datasets.files import PARQUET, DataFile
from db.spec.evaluation.question_checks import check_questions

SMALL_BYTES = 128 << 10
"""Files up to this size are checked without a separate process, except Parquet files."""
JSON_MEMORY_BYTES = 512 << 20
PARQUET_MEMORY_BYTES = 1 << 30
"""A limit on the address space; the Parquet library reserves more address space than it uses."""
_SLOTS = BoundedSemaphore(2)
CHECKS = {"upload": check_upload, "peek": peek, "questions": check_questions, "read": read_all}
REMEDY = "Split it into several files, or shorten its rows."


def check_file(file: DataFile, check: str) -> list[str]:
    """Run one of `CHECKS` on a file.

    Parquet files, and other files larger than `SMALL_BYTES`, are checked in a separate process, of
    which at most two run at the same time. The check of a plain-text upload always runs in this
    process, because it reads the file piece by piece.

    Returns:
        A list with one warning if a package that the check needs is not installed, or if the file
        is read as plain text although its first line is a JSON object; else an empty list.

    Raises:
        SpecRefusedError: the file did not pass the check, or the check exceeded its memory or time
            limit.
    """
    is_table = file.suffix == PARQUET
    streams = check == "upload" and not file.holds_rows
    if streams or (not is_table and file.path.stat().st_size <= SMALL_BYTES):
        CHECKS[check](file)
        return _plain_text_warnings(file)
    request = {"path": str(file.path), "check": check, "field": file.field}
    request |= {"name": file.name, "text_field": file.text_field or ""}
    memory_bytes = PARQUET_MEMORY_BYTES if is_table else JSON_MEMORY_BYTES
    try:
        with _SLOTS:
            response = run_bounded(__name__, request, memory_bytes=memory_bytes)
    except BoundsExceededError as error:
        reason = f"the file cannot be checked: {error}"
        raise SpecRefusedError(
            file.field, file.name, "unreadable_dataset", reason, REMEDY
        ) from None
    if refused := response.get("refused"):
        raise SpecRefusedError(*refused)
    if "unchecked" in response:
        return [response["unchecked"]]
    return _plain_text_warnings(file)


def _plain_text_warnings(file: DataFile) -> list[str]:
    """Return a warning if a plain-text file starts like JSON Lines."""
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
    return [
        f"{file.field} {file.name} is read as plain text, although its first line is a JSON "
        "object. Name it .jsonl to have its rows read."
    ]


def _work(request: dict[str, Any]) -> dict[str, Any]:
    text_field = request["text_field"] or None
    file = DataFile(Path(request["path"]), request["field"], request["name"], text_field)
    try:
        CHECKS[request["check"]](file)
    except SpecRefusedError as error:
        return {"refused": error.args}
    except ModuleNotFoundError as error:
        missing = f"{error.name} is not installed in the API's environment"
        return {"unchecked": f"{file.field} {file.name} was not checked: {missing}."}
    return {}


if __name__ == "__main__":
    serve_bounded(_work)
