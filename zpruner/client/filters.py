"""Filters for lists of jobs, and for logs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict


class CancelFilters(TypedDict, total=False):
    """Filters for unfinished jobs to cancel; a missing filter, or None, restricts nothing."""

    status: str | Sequence[str] | None
    model: str | None
    method: str | None
    created_after: datetime | str | None
    created_before: datetime | str | None
    parent: str | None
    sweep: str | None
    created_by: str | None
    labels: Mapping[str, str] | None
    q: str | None


class Filters(CancelFilters, total=False):
    """Filters for a list of jobs; a missing filter, or None, restricts nothing."""

    verdict: str | None
    output: str | None


class LogFilters(TypedDict, total=False):
    """Filters for a log; a missing filter, or None, restricts nothing."""

    attempt: int | None
    level: str | None
    after: str | None
    tail: int | None


def params_of(filters: Filters) -> dict[str, Any]:
    """Return the filters as query parameters; a datetime must have a time zone."""
    given = {name: _to_text(value) for name, value in filters.items() if value is not None}
    labels = filters.get("labels") or {}
    given.pop("labels", None)
    pairs = [f"{name}:{value}" for name, value in labels.items()]
    return given | ({"label": pairs} if pairs else {})


def json_of(filters: CancelFilters) -> dict[str, Any]:
    """Return the filters as the body of a request has them.

    An empty text is sent, so that the service refuses it: without it, more jobs would match.
    """
    given = {
        name: _to_text(value) for name, value in filters.items() if value not in (None, {}, [])
    }
    status = filters.get("status")
    return given | ({"status": [status]} if isinstance(status, str) else {})


def _to_text(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
