"""Requests that do not validate, in words: the field, its value, what to change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, RootModel

from api.schemas import JobRequest
from db.problem import FieldProblem

REMEDIES = {
    "missing": "Add it.",
    "less_than": "Use a value below {lt}.",
    "less_than_equal": "Use a value of at most {le}.",
    "greater_than": "Use a value above {gt}.",
    "greater_than_equal": "Use a value of at least {ge}.",
    "finite_number": "Use a finite number.",
    "enum": "Use {expected}.",
    "literal_error": "Use {expected}.",
    "empty_gate": 'Name a figure, as in {{"max": {{"perplexity_ratio": 1.1}}}}.',
    "one_of_both": "Name the values of some fields in grid, or the points themselves in jobs.",
    "too_many_points": "Leave values out, or make several sweeps.",
    "job_ids": "Write them as in ids=job_…,job_…; GET /v1/jobs lists them.",
    "cursor": "Take it from next_cursor or the Link header of an earlier answer.",
    "timezone_aware": "Add the time zone, as in 2026-01-05T09:30:00Z.",
    "datetime_from_date_parsing": "Write it as 2026-01-05T09:30:00Z.",
    "datetime_parsing": "Write it as 2026-01-05T09:30:00Z.",
    "allocation": "Use a name, or a list like [0.45, 0.5, 0.55] with an entry for each block.",
    "string_too_long": "Use at most {max_length} characters.",
    "string_too_short": "Use at least {min_length} characters.",
    "string_pattern_mismatch": "Use something that matches {pattern}.",
    "string_type": "Use a string.",
    "string_unicode": "Use text that is valid Unicode.",
    "float_type": "Use a number.",
    "float_parsing": "Use a number.",
    "int_type": "Use a whole number.",
    "int_parsing": "Use a whole number.",
    "int_parsing_size": "Use a smaller whole number.",
    "int_from_float": "Use a whole number.",
    "too_long": "Use at most {max_length} entries.",
    "dict_type": "Use a JSON object.",
    "model_attributes_type": "Send one JSON object, and Content-Type: application/json.",
}
"""What to change, by pydantic's name for what is wrong."""


@dataclass(frozen=True)
class Refused:
    """One refused field, and the part of its detail that says what to change."""

    problem: FieldProblem
    remedy: str


def is_malformed(errors: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the body could not be read at all."""
    return bool(errors) and errors[0]["type"] == "json_invalid"


def described(error: Mapping[str, Any], route: object = None) -> Refused:
    """Put one of pydantic's errors into words.

    Args:
        error: what pydantic says of it.
        route: the route that the request came to, whose fields an unknown one is held against.
    """
    place, *path = (_printable(str(part)) for part in error["loc"])
    name = ".".join(path) or place
    reason, remedy = _reason(error, place), _remedy(error, route)
    pointer = "/".join(["" if place == "body" else place, *path])
    detail = f"{name}{_value(error)}: {reason}. {remedy}"
    return Refused(FieldProblem(pointer=pointer, code=error["type"], detail=detail), remedy)


def _reason(error: Mapping[str, Any], place: str) -> str:
    if error["type"] == "extra_forbidden":
        return "is no parameter of this list" if place == "query" else "is no field of this request"
    if error["type"] == "missing":
        return "is required"
    return str(error["msg"]).rstrip(".")


def _remedy(error: Mapping[str, Any], route: object) -> str:
    if error["type"] == "extra_forbidden":
        *path, name = error["loc"]
        return _instead(_printable(str(name)), known_names(route, path))
    remedy = REMEDIES.get(error["type"], "/docs shows what is expected.")
    return remedy.format_map(error.get("ctx", {}))


def _instead(name: str, names: Sequence[str]) -> str:
    if close := get_close_matches(name, names, n=1):
        return f"Did you mean {close[0]}?"
    return f"Remove it; there are {', '.join(names)}."


def known_names(route: object, path: Sequence[str | int]) -> list[str]:
    """Return the fields there are at a place of a route's request."""
    place, *steps = path
    dependant = getattr(route, "dependant", None)
    params = getattr(dependant, f"{place}_params", [])
    kinds = [one.field_info.annotation for one in params]
    model = next((model for model in map(_model, kinds) if model), JobRequest)
    for step in steps:
        field = model.model_fields.get(str(step))
        model = (field and _model(field.annotation)) or model
    return list(model.model_fields)


def _model(annotation: object) -> type[BaseModel] | None:
    """Return the model among the kinds of a field; what only changes a job is described by one."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, RootModel):
            return JobRequest
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _value(error: Mapping[str, Any]) -> str:
    """Return a refused value as Python writes it, shortened; nothing for a whole object."""
    if error["type"] == "missing" or isinstance(error.get("input"), dict | bytes):
        return ""
    written = ascii(error.get("input"))
    return f" {written[:200]}{'…' if len(written) > 200 else ''}"


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()[:200]
