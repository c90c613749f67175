"""Requests that do not validate, in words: the field, its value, what to change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from reprlib import Repr
from typing import Any, get_args

from fastapi.routing import APIRoute
from pydantic import BaseModel, RootModel

from api.schemas.requests import JobRequest
from api.web.query_parameters import query_names
from db.core.escaping import escape_surrogates
from db.core.problem import FieldProblem

REMEDIES = {
    "missing": "Add it.",
    "less_than": "Use a value below {lt}.",
    "less_than_equal": "Use a value of at most {le}.",
    "greater_than": "Use a value above {gt}.",
    "greater_than_equal": "Use a value of at least {ge}.",
    "finite_number": "Use a finite number.",
    "enum": "Use {expected}.",
    "literal_error": "Use {expected}.",
    "past": "Use a moment to come.",
    "too_short": "Use at least {min_length} entries.",
    "cursor": "Take it from next_cursor or the Link header of an earlier answer.",
    "timezone_aware": "Add the time zone, as in 2026-01-05T09:30:00Z.",
    "datetime_from_date_parsing": "Write it as 2026-01-05T09:30:00Z.",
    "datetime_parsing": "Write it as 2026-01-05T09:30:00Z.",
    "pattern": "Write 2:4 to keep two of each four neighbours.",
    "allocation": "Use a name, or a list like [0.45, 0.5, 0.55] with an entry for each block.",
    "empty_gate": 'Name a figure, as in {{"max": {{"perplexity_ratio": 1.1}}}}.',
    "one_of_both": "Name the values of some fields in grid, or the points themselves in jobs.",
    "too_many_points": "Leave values out, or make several sweeps.",
    "label_twice": "Name one value of each label.",
    "filter_value": "Use a text, a number, true, false or null, or a list of these.",
    "job_field": "Use a field of a job such as model, or labels.NAME.",
    "job_ids": "Write them as in ids=job_…,job_…; GET /v1/jobs lists them.",
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


LONGEST = 200
"""How much of a value or a name is repeated."""

_short = Repr()
_short.maxlist = _short.maxtuple = 20
_short.maxstring = _short.maxlong = _short.maxother = LONGEST


@dataclass(frozen=True)
class Refused:
    """One refused field, and the part of its detail that says what to change."""

    problem: FieldProblem
    remedy: str


def is_malformed(errors: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the body could not be read at all."""
    return bool(errors) and errors[0]["type"] == "json_invalid"


def described(error: Mapping[str, Any], route: APIRoute) -> Refused:
    """Put one of pydantic's errors about a request to a route into words."""
    place, *path = (escape_surrogates(str(part)[:LONGEST]) for part in error["loc"])
    name = ".".join(path) or place
    reason, remedy = _reason(error, place), _remedy(error, place, path or [place], route)
    pointer = "/".join(["" if place == "body" else place, *path])
    detail = f"{name}{_value(error)}: {reason}. {remedy}"
    return Refused(FieldProblem(pointer=pointer, code=error["type"], detail=detail), remedy)


def _reason(error: Mapping[str, Any], place: str) -> str:
    if error["type"] == "extra_forbidden":
        return "is no parameter of this path" if place == "query" else "is no field of this request"
    if error["type"] == "missing":
        return "is required"
    return str(error["msg"]).rstrip(".")


def _remedy(error: Mapping[str, Any], place: str, path: list[str], route: APIRoute) -> str:
    if error["type"] == "extra_forbidden":
        return _instead(path[-1], _names(route, place, path[:-1]))
    if error["type"] == "missing" and path[-1] == "sparsity":
        return "Add it, or a pattern such as 2:4, which implies it."
    remedy = REMEDIES.get(error["type"], "/docs shows what is expected.")
    return remedy.format_map(error.get("ctx", {}))


def _instead(name: str, names: list[str]) -> str:
    if close := get_close_matches(name, names, n=1):
        return f"Did you mean {close[0]}?"
    return f"Remove it; there are {', '.join(names)}." if names else "Remove it."


def _names(route: APIRoute, place: str, above: Sequence[str]) -> list[str]:
    """Return what a route takes in its query, or in its body below the fields ``above``."""
    if place == "query":
        return query_names(route)
    model = None if route.body_field is None else _model(route.body_field.field_info.annotation)
    for name in above:
        field = None if model is None else model.model_fields.get(name)
        model = None if field is None else _model(field.annotation)
    return [] if model is None else list(model.model_fields)


def _model(annotation: object) -> type[BaseModel] | None:
    for kind in get_args(annotation) or (annotation,):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            # A rerun takes any part of a job.
            return JobRequest if issubclass(kind, RootModel) else kind
    return None


def _value(error: Mapping[str, Any]) -> str:
    """Return a refused value as Python writes it, shortened; nothing for a whole object."""
    if error["type"] == "missing" or isinstance(error.get("input"), dict | bytes):
        return ""
    return f" {quoted(error.get('input'))}"


def quoted(value: object) -> str:
    """Return a value as Python writes it, in ASCII; of a long one only some, and at no cost."""
    written = _short.repr(value).encode("ascii", "backslashreplace").decode()
    return written[:LONGEST] + ("…" if len(written) > LONGEST else "")
