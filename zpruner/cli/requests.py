"""From the words of a command to the fields of a request."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from typing import Any, get_args

import typer

FLAGS = {"label", "reuse", "dry_run", "wait", "as_json", "gate_max", "gate_min"}
"""Parameters of a command that are no fields of the request."""


def request_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a job from all that a command was given; what is None is left out."""
    known = {key: value for key, value in given.items() if value not in (None, [])}
    fields = {key: value for key, value in known.items() if key not in FLAGS}
    if "," in fields.get("allocation", ""):
        fields["allocation"] = [value_of(one) for one in fields["allocation"].split(",")]
    if label := known.get("label"):
        fields["labels"] = dict(pair_of(one, "--label") for one in label)
    if known.get("reuse"):
        fields["reuse"] = "if_succeeded"
    bounds = {name: _bounds(name, known.get(f"gate_{name}", ())) for name in ("max", "min")}
    if gate := {name: limits for name, limits in bounds.items() if limits}:
        fields["gate"] = gate
    return fields


def value_of(written: str) -> Any:
    """Read a number, a word, or ``null`` for what is left out."""
    try:
        return float(written)
    except ValueError:
        return None if written == "null" else written


def pair_of(written: str, option: str) -> tuple[str, str]:
    """Read ``name=value``."""
    name, equals, value = written.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{written} is not name=value", param_hint=option)
    return name, value


def like(
    command: Callable[..., None], without: Sequence[str] = (), **changed: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a function that takes any options those of another command.

    Args:
        command: whose parameters are taken.
        without: names of those that are not.
        changed: by name, the annotations of parameters that are other, or new; those have no
            value of their own unless they are given.
    """

    def take(act: Callable[..., None]) -> Callable[..., None]:
        kept = dict(signature(command).parameters)
        for name in without:
            del kept[name]
        for name, annotation in changed.items():
            default = False if get_args(annotation)[0] is bool else None
            kind = Parameter.KEYWORD_ONLY
            kept[name] = Parameter(name, kind, default=default, annotation=annotation)

        @wraps(act)
        def taking(**given: Any) -> None:
            act(**given)

        of_all = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in kept.values()]
        taking.__signature__ = signature(act).replace(parameters=of_all)  # type: ignore[attr-defined]
        taking.__annotations__ = {one.name: one.annotation for one in of_all}
        return taking

    return take


def _bounds(name: str, written: Sequence[str]) -> dict[str, float]:
    """Read ``figure=number``."""
    found = {}
    for one in written:
        figure, _, number = one.partition("=")
        try:
            found[figure] = float(number)
        except ValueError:
            hint = f"--gate-{name}"
            raise typer.BadParameter(f"{one} is not figure=number", param_hint=hint) from None
    return found
