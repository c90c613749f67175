"""Lists as CSV, for spreadsheets; see RFC 4180."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fastapi.responses import StreamingResponse
from pydantic import BaseModel

MEDIA_TYPE = "text/csv; charset=utf-8"
PART = 1 << 16
"""How many characters are sent at once."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet calculates text that begins so; after an apostrophe it is text."""


def csv_response(
    name: str, columns: Mapping[str, str], rows: Iterable[BaseModel]
) -> StreamingResponse:
    """Return a file that is written while ``rows`` are read.

    Args:
        name: the name of the file, without its ending.
        columns: the path of each column's value in a row, with dots between nested names.
    """
    headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
    return StreamingResponse(_parts(columns, rows), media_type=MEDIA_TYPE, headers=headers)


def _parts(columns: Mapping[str, str], rows: Iterable[BaseModel]) -> Iterator[str]:
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(columns)
    for row in rows:
        values = row.model_dump(mode="json")
        table.writerow(_cell(_at(values, path)) for path in columns.values())
        if text.tell() > PART:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def _at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values.get(name) if isinstance(values, dict) else None
    return values


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        value = ", ".join(f"{name}={part}" for name, part in value.items())
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    return f"'{value}" if value.startswith(FORMULA) else str(value)
