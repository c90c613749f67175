"""Values of options: numbers, and JSON."""

import json
from contextlib import suppress
from math import isfinite
from typing import Any, NoReturn

import typer


def read_json(text: str) -> Any:
    """Read JSON.

    Raises:
        ValueError: it is not JSON, which has neither NaN nor infinite numbers.
    """
    return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)


def read_object(text: str, option: str) -> dict[str, Any]:
    """Read a text that begins with ``{``."""
    try:
        return dict(read_json(text))
    except ValueError as error:
        raise typer.BadParameter(f"{text} is not JSON: {error}", param_hint=option) from None


def check_finite(value: object, option: str) -> None:
    """Check that a value is not ``nan`` or ``inf``, which typer reads as numbers."""
    if isinstance(value, float) and not isfinite(value):
        problem = f"{value} is not a finite number: write one such as 0.5"
        raise typer.BadParameter(problem, param_hint=option)


def value_of(text: str) -> Any:
    """Read a finite number, ``null``, ``true`` or ``false``; anything else is text."""
    for number in (int, _finite):
        with suppress(ValueError):
            return number(text)
    return {"null": None, "true": True, "false": False}.get(text, text)


def _finite(text: str) -> float:
    if not isfinite(number := float(text)):
        raise ValueError(f"{text} is not a finite number")
    return number


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a finite number")
