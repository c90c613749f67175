"""Ranges of a file: the headers ``Range`` and ``If-Range``.

Starlette's FileResponse is not used: its 416 response is plain text and not a problem document, it
answers malformed ranges with 400, and its ``If-Range`` accepts a date as well as the entity tag.
"""

import re

from fastapi import Request

from api.core.problem_response import ProblemError
from db.problems.requests import RANGE_NOT_SATISFIABLE


def requested_range(request: Request, size: int, etag: str) -> range | None:
    """Return the requested range of bytes; None for the whole file.

    Several ranges, other units and malformed ranges are ignored, as RFC 9110 allows.

    Raises:
        ProblemError: the range lies outside the file.
    """
    match = re.fullmatch(r"bytes=(\d{0,19})-(\d{0,19})", request.headers.get("range", "").strip())
    if match is None or request.headers.get("if-range", etag) != etag:
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    if first and last and int(last) < int(first):
        return None
    return _within(size, first, last)


def _within(size: int, first: str, last: str) -> range:
    if first:
        wanted = range(int(first), min(int(last or size), size - 1) + 1)
    else:
        wanted = range(max(size - int(last), 0), size)
    if not wanted:
        problem = RANGE_NOT_SATISFIABLE.problem(f"The file has {size} bytes.")
        raise ProblemError(problem, {"content-range": f"bytes */{size}"})
    return wanted
