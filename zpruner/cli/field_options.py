"""Command line options that are made from the JSON schema of a job's fields."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from importlib.resources import files
from inspect import Parameter, signature
from types import GenericAlias
from typing import Annotated, Any

import typer

from zpruner.cli.job_command import HelpAllOption
from zpruner.cli.option_groups import GROUP_OF
from zpruner.cli.output_option import HELP, read_output
from zpruner.cli.values import check_finite, read_object, value_of

OUTPUT = "output"
"""The field whose values are objects of several kinds, which are written in a form of their own."""
NONE = "none"
"""Stands for an empty list."""
LONGEST_CHOICES = 32
"""The most characters of choices that stand beside an option's name in the help."""
TYPES: dict[str, type] = {"number": float, "integer": int, "boolean": bool}
"""The Python type for each JSON schema type; values of all other types are text."""


@dataclass(frozen=True)
class FieldOption:
    """One option of a command, or a positional argument if ``is_argument`` is set.

    The value of some fields may be an object. An object with two properties is written as
    ``FIRST:SECOND``, and ``pair`` has the names of both. If an object has more properties, each is
    set by an option of its own, and ``part`` is the name of the property. The required property is
    set by the option that is named after the field. The options of the other properties have the
    field's name in ``part_of``. An object that is one of several values is written as JSON.
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
    has_objects: bool = False
    pair: tuple[str, ...] = ()
    part_of: str = ""
    part: str = ""

    def read(self, value: Any) -> Any:
        """Return a value as it is sent.

        ``0.45,0.5`` becomes a list if the field allows lists, and ``none`` an empty one if the
        field is a list: a preset sets some, which can be left out that way.
        """
        if self.is_repeated and value == [NONE]:
            return []
        if self.name == OUTPUT:
            return [read_output(text) for text in value]
        if self.has_objects:
            return [self.read_item(text) for text in value]
        if self.may_be_list and "," in value:
            return [value_of(item) for item in value.split(",")]
        return self.read_one(value)

    def read_item(self, text: str) -> Any:
        """Return one value of a list whose values may be objects: one as JSON, or a text."""
        return read_object(text, self.flags) if text.startswith("{") else text

    def read_one(self, value: Any) -> Any:
        """Return one value: ``owl:0.15`` becomes an object if the field accepts a pair."""
        if self.pair and ":" in value:
            first, _, second = value.partition(":")
            return dict(zip(self.pair, (first, value_of(second)), strict=True))
        return value

    @property
    def may_be_false(self) -> bool:
        """Whether the option is a flag that is set by default."""
        return self.type is bool and self.default == "True"

    @property
    def flags(self) -> str:
        """The name on the command line; ``--x/--no-x`` for a flag that is set by default."""
        name = self.name.replace("_", "-")
        return f"--{name}/--no-{name}" if self.may_be_false else f"--{name}"

    def described(self) -> tuple[str, str | None]:
        """Return the help, and what it shows for the value: the choices, or a word if too long."""
        choices = "|".join(self.choices)
        is_long, parts = len(choices) > LONGEST_CHOICES, [self.help]
        if is_long:
            parts.append(f"One of {', '.join(self.choices)}.")
        if self.default:
            parts.append(f"[default: {self.name if self.may_be_false else self.default}]")
        word = "NAME" if is_long else choices
        return " ".join(parts), word or ("VALUE" if self.is_repeated else None)

    def is_given(self, value: Any) -> bool:
        """Whether the option was given, according to its value."""
        return not (value is None or value == [] or (value is False and not self.may_be_false))

    def parameter(self) -> Parameter:
        """Return the function parameter from which typer creates the option."""
        text, metavar = self.described()
        value: Any = GenericAlias(list, (self.type,)) if self.is_repeated else self.type
        declared: Any = (
            typer.Argument(help=self.help)
            if self.is_argument
            else typer.Option(
                self.flags,
                help=text,
                metavar=metavar,
                show_default=False,
                rich_help_panel=GROUP_OF.get(self.part_of or self.name),
            )
        )
        is_flag = value is bool and not self.may_be_false
        default = Parameter.empty if self.is_required else False if is_flag else None
        return Parameter(
            self.name,
            Parameter.KEYWORD_ONLY,
            default=default,
            annotation=Annotated[value if self.is_required else value | None, declared],
        )


def with_fields(
    *options: FieldOption,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add options to a command; the values that the user gave are passed in ``fields``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            parameter
            for parameter in signature(command).parameters.values()
            if parameter.name != "fields"
        ]

        @wraps(command)
        def run(**values: Any) -> None:
            del values["help_all"]
            given = [(option, values.pop(option.name)) for option in options]
            for option, value in given:
                check_finite(value, option.flags)
            fields = _fields([pair for pair in given if pair[0].is_given(pair[1])])
            _require_wholes(options, fields)
            command(fields, **values)

        keyword = Parameter.KEYWORD_ONLY
        parameters = [
            *(option.parameter() for option in options),
            *(parameter.replace(kind=keyword) for parameter in own),
            Parameter("help_all", keyword, default=False, annotation=HelpAllOption),
        ]
        made = signature(command).replace(parameters=parameters)
        run.__signature__ = made  # type: ignore[attr-defined] # inspect and typer read it
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return decorate


def options_of(schema: Mapping[str, Any]) -> Iterator[FieldOption]:
    """Yield an option for each field of a JSON schema; ``model`` becomes an argument.

    ``expect`` has none: `zpruner repeat` sets it.
    """
    for name, field in schema["properties"].items():
        if name == "expect":
            continue
        forms = [_resolved(form, schema) for form in field.get("anyOf", [field])]
        forms = [form for form in forms if form["type"] != "null"]
        kinds = {form["type"] for form in forms}
        descriptions = [form.get("description", "") for form in (field, *forms)]
        default = field.get("default")
        may_be_list = kinds > {"array"}
        pair = next(filter(_is_pair, (tuple(form.get("properties", ())) for form in forms)), ())
        parts = next((form for form in forms if len(form.get("properties", ())) > 2), {})
        names = parts.get("properties", {})
        (whole,) = parts.get("required", [""])
        if kinds != {"object"} or not names:  # an object of parts alone has only theirs
            yield FieldOption(
                name,
                help=HELP
                if name == OUTPUT
                else _help(next(filter(None, descriptions), ""), may_be_list, pair),
                type=TYPES.get(forms[0]["type"], str),
                choices=() if may_be_list else tuple(forms[0].get("enum", ())),
                default="" if default is False or default in (None, []) else str(default),
                is_required=name in schema["required"],
                is_repeated=kinds == {"array"},
                is_argument=name == "model",
                may_be_list=may_be_list,
                has_objects=any(_has_objects(form, schema) for form in forms),
                pair=pair,
                part=whole,
            )
        within = {**schema, "properties": {key: names[key] for key in names if key != whole}}
        for part in options_of(within | {"required": []}):
            full = f"{name}_{part.name}"
            yield replace(part, name=full, is_argument=False, part_of=name, part=part.name)


def _fields(given: Sequence[tuple[FieldOption, Any]]) -> dict[str, Any]:
    """Return the fields of a request; the parts of an object are merged into one field."""
    fields = {option.name: option.read(value) for option, value in given if not option.part_of}
    names = {option.name: option.part for option, _ in given}
    for option, value in given:
        if option.part_of:
            whole = _whole(option, fields.get(option.part_of, {}), names.get(option.part_of))
            fields[option.part_of] = whole | {option.part: value}
    return fields


def _require_wholes(options: Sequence[FieldOption], fields: Mapping[str, Any]) -> None:
    """Check that each object has its required part, unless there is a preset, which may set it.

    Raises:
        BadParameter: only options of an object's other parts were given.
    """
    for option in options:
        value = fields.get(option.name)
        if not option.part or option.part_of or "preset" in fields:
            continue
        if isinstance(value, dict) and option.part not in value:
            given = ", ".join(f"--{option.name}-{part}".replace("_", "-") for part in value)
            choices = " or ".join(name for name in option.choices if name != NONE)
            problem = f"it is required beside {given}: give {choices or option.part.upper()}"
            raise typer.BadParameter(problem, param_hint=option.flags)


def _whole(part: FieldOption, value: Any, required: str | None) -> dict[str, Any]:
    """Return the value of a field as the object to which an option adds a part.

    Raises:
        BadParameter: the value is a text that stands for another object, or for none.
    """
    if isinstance(value, dict):
        return value
    if value is True:
        return {}
    if required and value != NONE:
        return {required: value}
    field, name = part.part_of.replace("_", "-"), part.name.replace("_", "-")
    problem = f"--{field} {value} cannot stand beside --{name}: give one of the two"
    raise typer.BadParameter(problem, param_hint=f"--{field}")


def _has_objects(form: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Whether a form of a field is a list whose items may be objects."""
    items = form.get("items", {})
    return any("properties" in _resolved(item, schema) for item in items.get("anyOf", [items]))


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
"""An option for each field of a job, from a copy of ``db.spec.prune_spec.PruneSpec``'s schema."""
