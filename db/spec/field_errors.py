"""The errors of a job's fields in words: what is wrong, and the remedy."""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from db.core.escaping import MAX_SHOWN, quoted
from db.spec.prune_spec import OPTIONS

REMEDIES = {
    "missing": "Add it.",
    "less_than": "Use a value below {lt}.",
    "less_than_equal": "Use a value of at most {le}.",
    "greater_than": "Use a value above {gt}.",
    "greater_than_equal": "Use a value of at least {ge}.",
    "finite_number": "Use a finite number.",
    "enum": "Use {expected}.",
    "literal_error": "Use {expected}.",
    "too_short": "Use {min_length} or more.",
    "string_too_long": "Use at most {max_length} characters.",
    "string_too_short": "Use {min_length} or more characters.",
    "string_pattern_mismatch": "Use something that matches {pattern}.",
    "string_type": "Use a text.",
    "string_unicode": "Use text that is valid Unicode.",
    "float_type": "Use a number.",
    "float_parsing": "Use a number.",
    "int_type": "Use a whole number.",
    "int_parsing": "Use a whole number.",
    "int_parsing_size": "Use a smaller whole number.",
    "int_from_float": "Use a whole number.",
    "too_long": "Use at most {max_length}.",
    "dict_type": "Use a JSON object.",
    "model_type": "Use a JSON object.",
    "tuple_type": "Use a list.",
    "list_type": "Use a list.",
    "bool_type": "Use true or false.",
    "bool_parsing": "Use true or false.",
    "multiple_of": "Use a multiple of {multiple_of}.",
    **{error: remedy for option in OPTIONS for error, remedy in option.remedies.items()},
}
"""The remedy for each type of validation error: pydantic's types and those of the options."""
REASONS = {
    "missing": "is required",
    **dict.fromkeys(("less_than", "less_than_equal", "int_parsing_size"), "is too large"),
    **dict.fromkeys(("greater_than", "greater_than_equal"), "is too small"),
    **dict.fromkeys(("enum", "literal_error"), "is not one of the choices"),
    "finite_number": "is infinite, or not a number",
    "multiple_of": "is between two multiples",
    "int_from_float": "has a fraction",
    "string_too_long": "is too long",
    "string_too_short": "is too short",
    "string_pattern_mismatch": "does not have the form that it needs",
    "string_unicode": "cannot be encoded",
    "too_short": "has too few entries",
    "too_long": "has too many entries",
    "timezone_aware": "has no time zone",
    "none_required": "has to be null",
    **dict.fromkeys(
        (
            *("string_type", "float_type", "float_parsing", "int_type", "int_parsing"),
            *("bool_type", "bool_parsing", "dict_type", "model_type", "model_attributes_type"),
            *("list_type", "tuple_type"),
        ),
        "has the wrong type",
    ),
    **dict.fromkeys(
        (
            *("datetime_type", "datetime_parsing", "datetime_from_date_parsing"),
            "datetime_object_invalid",
        ),
        "is not a date with time and time zone",
    ),
}
"""What is wrong, for each of pydantic's types of error; its own words are those of the remedy."""
SHARES = {"sparsity", "ratio"}
_CHOICE = re.compile(r"'([^']*)'")


def reason_of(error: Mapping[str, Any]) -> str:
    """Return what is wrong, without a period, and in which point of a sweep, if it is in one."""
    reason = REASONS.get(error["type"], str(error["msg"])).rstrip(".")
    return f"{reason} (in {error['where']})" if "where" in error else reason


def remedy_of(
    error: Mapping[str, Any], path: Sequence[str], remedies: Mapping[str, str] = REMEDIES
) -> str:
    """Return the remedy as sentences; empty if none is known.

    Args:
        error: one of pydantic's errors.
        path: the names that lead to the field.
        remedies: the remedy for each type of error.
    """
    if error["type"] == "missing" and path[-1] == "sparsity":
        return "Add it, or a pattern such as 2:4, which implies it."
    # A member that is missing: what the whole field can be says more than that it is to be added.
    kind = path[0] if error["type"] == "missing" and path[0] in remedies else error["type"]
    context = {name: _whole(value) for name, value in error.get("ctx", {}).items()}
    return _likely(error, path) + remedies.get(kind, "").format_map(context)


def _whole(value: object) -> object:
    """Return a float without its fraction, if that is zero: bounds are written as 1, not 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _likely(error: Mapping[str, Any], path: Sequence[str]) -> str:
    """Return what the caller has probably meant, as a sentence; empty if that is unknown."""
    value, kind = error.get("input"), error["type"]
    if kind in {"enum", "literal_error"} and isinstance(value, str):
        choices = _CHOICE.findall(str(error["ctx"]["expected"]))
        close = get_close_matches(value.lower(), choices, n=1)
        return f"Did you mean {close[0]}? " if close else ""
    if kind == "tuple_type" and isinstance(value, str):
        return f"Write {json.dumps([value[:MAX_SHOWN]])}. "
    if kind == "less_than" and path[-1] in SHARES and isinstance(value, int | float):
        return f"Write {value / 100:g} for {value:g} %. " if 1 < value < 100 else ""
    if kind == "less_than_equal" and path[-1] == "min_memory_gb" and isinstance(value, int | float):
        return f"Write {value / 1e9:g} for {value:,.0f} bytes. " if value < 1e15 else ""
    return ""


def shown_value(error: Mapping[str, Any]) -> str:
    """Return the short value after a space; ``''`` if it is missing, a dict or bytes."""
    if error["type"] == "missing" or isinstance(error.get("input"), dict | bytes):
        return ""
    return f" {quoted(error.get('input'))}"
