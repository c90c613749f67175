"""Command line options that are made from the JSON schema of a job's fields."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from importlib.resources import files
from inspect import Parameter, signature
from types import GenericAlias
from typing import Annotated, Any

import typer

TYPES: dict[str, type] = {"number": float, "integer": int, "boolean": bool}
"""Python types by the names that JSON schema gives them; all others are text."""


@dataclass(frozen=True)
class FieldOption:
    """One option, or with ``is_argument`` a positional argument, of a command.

    ``pair`` names the two fields of an object that is written as ``FIRST:SECOND``.
    """

    name: str
    help: str
    type: type = str
    choices: tuple[str, ...] = ()
    default: str = ""
    is_required: bool = False
    is_repeated: bool = False
    is_argument: bool = False
    may_be_list: bool = False
    pair: tuple[str, ...] = ()

    def read(self, value: Any) -> Any:
        """Return a value as a request has it: ``0.45,0.5`` as a list where that is allowed."""
        if self.may_be_list and "," in value:
            return [value_of(one) for one in value.split(",")]
        return self.read_one(value)

    def read_one(self, value: Any) -> Any:
        """Return one value: ``owl:0.15`` as an object of two fields where that is allowed."""
        if self.pair and ":" in value:
            first, _, second = value.partition(":")
            return dict(zip(self.pair, (first, value_of(second)), strict=True))
        return value

    def parameter(self) -> Parameter:
        """Return the parameter of a command's function from which typer makes the option."""
        value: Any = GenericAlias(list, (self.type,)) if self.is_repeated else self.type
        declared: Any = (
            typer.Argument(help=self.help)
            if self.is_argument
            else typer.Option(
                f"--{self.name.replace('_', '-')}",
                help=self.help,
                metavar="|".join(self.choices) or None,
                show_default=self.default or False,
            )
        )
        default = Parameter.empty if self.is_required else False if value is bool else None
        return Parameter(
            self.name,
            Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[value if self.is_required else value | None, declared],
        )


def with_fields(
    *options: FieldOption,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these options, and pass the values that were given as ``fields``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [one for one in signature(command).parameters.values() if one.name != "fields"]

        @wraps(command)
        def run(**values: Any) -> None:
            given = ((one, values.pop(one.name)) for one in options)
            fields = {one.name: one.read(value) for one, value in given if _is_given(value)}
            command(fields, **values)

        parameters = [
            *(one.parameter() for one in options),
            *(one.replace(kind=Parameter.KEYWORD_ONLY) for one in own),
        ]
        made = signature(command).replace(parameters=parameters)
        run.__signature__ = made  # type: ignore[attr-defined] # inspect and typer read it
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


def options_of(schema: Mapping[str, Any]) -> Iterator[FieldOption]:
    """Yield an option for each field of a JSON schema; ``model`` becomes an argument."""
    for name, field in schema["properties"].items():
        forms = [_resolved(form, schema) for form in field.get("anyOf", [field])]
        forms = [form for form in forms if form["type"] != "null"]
        kinds = {form["type"] for form in forms}
        descriptions = [form.get("description", "") for form in (field, *forms)]
        default = field.get("default")
        may_be_list = kinds > {"array"}
        pair = next(filter(_is_pair, (tuple(form.get("properties", ())) for form in forms)), ())
        yield FieldOption(
            name,
            help=_help(next(filter(None, descriptions), ""), may_be_list, pair),
            type=TYPES.get(min(kinds), str),
            choices=() if may_be_list else tuple(forms[0].get("enum", ())),
            default="" if default is False or default in (None, []) else str(default),
            is_required=name in schema["required"],
            is_repeated=kinds == {"array"},
            is_argument=name == "model",
            may_be_list=may_be_list,
            pair=pair,
        )


def value_of(text: str) -> Any:
    """Read a number, ``null``, or else text."""
    try:
        return float(text)
    except ValueError:
        return None if text == "null" else text


def _is_given(value: Any) -> bool:
    return not (value is None or value is False or value == [])


def _is_pair(fields: tuple[str, ...]) -> bool:
    return len(fields) == 2


def _help(description: str, may_be_list: bool, pair: tuple[str, ...]) -> str:
    more = " Separate the numbers of a list by commas: 0.45,0.5,0.55." if may_be_list else ""
    more += f" Write {' and '.join(pair)} as {':'.join(pair).upper()}." if pair else ""
    return description.replace("``", "`") + more


def _resolved(form: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = form.get("$ref")
    resolved: Mapping[str, Any] = schema["$defs"][reference.split("/")[-1]] if reference else form
    return resolved


SCHEMA_FILE = files("zpruner.cli").joinpath("prune_spec.json")
JOB_FIELDS = tuple(options_of(json.loads(SCHEMA_FILE.read_text("utf-8"))))
"""Options of the fields of a job, from a copy of the schema of ``db.spec.prune_spec.PruneSpec``."""
