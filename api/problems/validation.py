"""Texts of validation errors: the field, its value and the remedy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from fastapi.routing import APIRoute
from pydantic import BaseModel, RootModel, Secret

from api.core.json_pointers import escaped
from api.problems.query_parameters import query_names
from api.schemas.requests import JobRequest
from db.core.escaping import MAX_SHOWN, escape_surrogates
from db.core.problem import FieldProblem
from db.spec import field_errors

REMEDIES = {
    **field_errors.REMEDIES,
    "past": "Use a time in the future.",
    "cursor": "Take it from next_cursor or the Link header of an earlier response.",
    "timezone_aware": "Add the time zone, as in 2026-01-05T09:30:00Z.",
    "datetime_from_date_parsing": "Write it as 2026-01-05T09:30:00Z.",
    "datetime_parsing": "Write it as 2026-01-05T09:30:00Z.",
    "datetime_type": "Write it as 2026-01-05T09:30:00Z.",
    "datetime_object_invalid": "Write it as 2026-01-05T09:30:00Z.",
    "moment_or_duration": "Write it as 2026-01-05T09:30:00Z, or as 2h, 90m or 1d.",
    "empty_gate": 'Name a figure, as in {{"max": {{"perplexity_ratio": 1.1}}}}.',
    "one_of_both": "Name the values of some fields in grid, or the points themselves in jobs.",
    "ids_or_filter": 'Name the jobs, as in {{"ids": ["job_…"]}}, or what they have in common, as '
    'in {{"filter": {{"status": ["queued"]}}}}.',
    "empty_filter": 'Name a condition, as in {{"status": ["queued"]}}.',
    "one_period": "Leave after and before out, or month.",
    "too_many_points": "Leave values out, or make several sweeps.",
    "label_name": "Begin the name with a letter or a digit; use up to 63 of these and of ._/-.",
    "too_many_labels": "Leave {surplus} of them out; a job may have {most}.",
    "label_twice": "Name one value of each label.",
    "filter_value": "Use a text, a number, true, false or null, or a list of these.",
    "job_field": "Use a field of a job such as model, or labels.NAME.",
    "job_ids": "Write them as in ids=job_…,job_…; GET /v1/jobs lists them.",
    "moment": "Use a time from 1970-01-01T00:00:00Z on and before 3000-01-01T00:00:00Z.",
    "model_attributes_type": "Send one JSON object, and Content-Type: application/json.",
}
"""The remedy for each type of validation error: pydantic's types and this service's own."""
_PLACE_MARKS = {"[key]"}
"""Parts of pydantic's paths that are no names or numbers of a request."""


@dataclass(frozen=True)
class DescribedError:
    """The problem with one field, and the remedy, which the problem's ``detail`` contains."""

    problem: FieldProblem
    remedy: str


def is_malformed(errors: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the errors say that the body is not valid JSON."""
    return bool(errors) and errors[0]["type"] == "json_invalid"


def describe(error: Mapping[str, Any], route: APIRoute) -> DescribedError:
    """Describe one of pydantic's errors in a request to a route."""
    parts = (part for part in error["loc"] if part not in _PLACE_MARKS)
    place, *path = (escape_surrogates(str(part)[:MAX_SHOWN]) for part in parts)
    name = ".".join(path) or place
    reason, remedy = _reason(error, place), _remedy(error, place, path or [place], route)
    pointer = "/".join(["" if place == "body" else place, *map(escaped, path)])
    is_secret = place == "body" and _may_be_secret(route, path)
    value = "" if is_secret else field_errors.shown_value(error)
    detail = f"{name}{value}: {reason}. {remedy}"
    return DescribedError(FieldProblem(pointer=pointer, code=error["type"], detail=detail), remedy)


def _reason(error: Mapping[str, Any], place: str) -> str:
    if error["type"] == "extra_forbidden":
        return (
            "is not a parameter of this path"
            if place == "query"
            else "is not a field of this request"
        )
    return field_errors.reason_of(error)


def _remedy(error: Mapping[str, Any], place: str, path: list[str], route: APIRoute) -> str:
    if error["type"] == "extra_forbidden":
        return _suggestion(path[-1], _names(route, place, path[:-1]))
    if error["type"] == "model_attributes_type" and len(error["loc"]) > 1:
        return "Use a JSON object."
    return field_errors.remedy_of(error, path, REMEDIES) or "/docs shows what is expected."


def _suggestion(name: str, names: list[str]) -> str:
    if close := get_close_matches(name, names, n=1):
        return f"Did you mean {close[0]}?"
    return f"Remove it; the allowed names are {', '.join(names)}." if names else "Remove it."


def _names(route: APIRoute, place: str, above: Sequence[str]) -> list[str]:
    """Return the names of a route's query parameters, or of fields in its body.

    ``above`` is the path of the object that has these fields; it is empty for the whole body.
    """
    if place == "query":
        return query_names(route)
    model = None if route.body_field is None else _model(route.body_field.field_info.annotation)
    for name in above:
        field = None if model is None else model.model_fields.get(name)
        model = None if field is None else _model(field.annotation)
    return [] if model is None else list(model.model_fields)


def _may_be_secret(route: APIRoute, path: Sequence[str]) -> bool:
    """Whether a value in the body may be a secret.

    This is so for the field of a secret, and in the same body for the whole body and for fields
    that do not exist: the caller may have misspelt the field's name.
    """
    model = None if route.body_field is None else _model(route.body_field.field_info.annotation)
    fields = {} if model is None else model.model_fields
    secret = {name for name, field in fields.items() if get_origin(field.annotation) is Secret}
    return bool(secret) and (not path or path[0] in secret or path[0] not in fields)


def _model(annotation: object) -> type[BaseModel] | None:
    for kind in get_args(annotation) or (annotation,):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            # A rerun accepts any part of a job.
            return JobRequest if issubclass(kind, RootModel) else kind
    return None
