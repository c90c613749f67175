"""The description of an option of a job, and the refusal of options that exclude each other."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, BeforeValidator
from pydantic_core import PydanticCustomError

from db.core.errors import SpecRefusedError
from db.spec.descriptions.result_part import ResultPart
from db.spec.pruning.presets import PRESETS

UNFIT = "unfit_combination"


class Place(Enum):
    """Where options are shown: the group in the help of commands, and the section of the form."""

    texts = ("Model and texts", "Model and text")
    calibration = ("Model and texts", "Calibration")
    what = ("Pruning", "What to prune")
    how = ("Pruning", "How to prune")
    propagation = ("Pruning", "Calibration")
    refinement = ("Training", "How to prune")
    recovery = ("Training", "Recovery")
    formats = ("Fewer bits", "Quantisation")
    evaluation = ("Evaluation", "Evaluation")
    output = ("The job and its result", "Outputs")


@dataclass(frozen=True)
class Option:
    """Fields of a job that belong together, besides what their types and texts say.

    Attributes:
        check: refuses a specification in which the option cannot be combined with another one, or
            has no effect.
        order: options of a lower order are checked first; others in the order of their fields.
        complete: adds to a request's fields those that the option implies.
        amounts: fields that say how much is removed, and that may vary in a sweep.
        varied, varied_lists: further fields that may vary in a sweep: they change the pruning but
            not the evaluation. Of the second ones, each value is a list.
        texts: fields that name a text, each with the field that chooses a column of it; a dot is
            before one inside of another.
        text_lists: fields that name several texts.
        questions: fields that name datasets of questions, with a dot before one inside of another.
        metrics: the metrics that a job has if it uses a field, by the field.
        named_metrics: returns the metrics of a job whose names depend on values of its fields.
        estimates: groups of metrics that have confidence intervals.
        metrics_of_values: metrics that only one value of a field brings: field and value of each.
        neutral: a value of the option's fields with which a job does the same as without.
        planned: fields with which only the planner, which builds the model, can tell whether a
            job can run.
        untimed: what a field adds to a job that the planned time leaves out, by the field.
        place: where the option is shown.
        places: the places of those of its fields that are in another one.
        first: fields at the head of the form, each with its place there.
        only_with: fields that have an effect only beside another field, with the values of that
            one; without values it is any but its default. The form shows them only then.
        usual: fields that the short help shows.
        result: how the page of a job shows what the option adds to the result.
        labels: labels of fields in the form, where they are not their names.
        docs: what the table in docs/jobs.md says besides the fields' own descriptions.
        remedies: the remedies of the errors that the option's types raise, by type of error.
        fields: the names of the fields; `options_of` sets them.
    """

    check: Callable[[Any], None] = lambda spec: None
    order: int = 0
    complete: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda fields: fields
    amounts: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()
    varied_lists: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    text_lists: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    metrics: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    named_metrics: Callable[[Any], Iterable[str]] = lambda spec: ()
    estimates: tuple[str, ...] = ()
    metrics_of_values: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    neutral: object = None
    planned: tuple[str, ...] = ()
    untimed: Mapping[str, str] = field(default_factory=dict)
    place: Place = Place.what
    places: Mapping[str, Place] = field(default_factory=dict)
    first: Mapping[str, int] = field(default_factory=dict)
    only_with: Mapping[str, Mapping[str, Collection[str]]] = field(default_factory=dict)
    usual: tuple[str, ...] = ()
    result: ResultPart | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    docs: Mapping[str, str] = field(default_factory=dict)
    remedies: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[str, ...] = ()

    def place_of(self, name: str) -> tuple[str, str]:
        """Return the group and the section of one of the option's fields."""
        value: tuple[str, str] = self.places.get(name, self.place).value
        return value

    def uses(self, spec: BaseModel, name: str) -> bool:
        """Whether a job sets one of the option's fields to something that has an effect."""
        value = getattr(spec, name)
        return bool(value) and value != self.neutral


def value_of(spec: BaseModel, path: str) -> Any:
    """Return the value of a field, given its name with dots before names inside of another one."""
    value: Any = spec
    for name in path.split("."):
        value = value and getattr(value, name)
    return value


@cache
def options_of(spec: type[BaseModel]) -> tuple[Option, ...]:
    """Return the options of which a class of specifications is made, in the order of the fields."""
    return tuple(
        replace(vars(base)["OPTION"], fields=_own_fields(base))
        for base in reversed(spec.__mro__)
        if issubclass(base, BaseModel) and "OPTION" in vars(base)
    )


def _own_fields(fields: type[BaseModel]) -> tuple[str, ...]:
    inherited = getattr(fields.__base__, "model_fields", {})
    return tuple(name for name in fields.model_fields if name not in inherited)


def check_fits(name: str, value: object, *refusals: tuple[bool, str, str]) -> None:
    """Check that nothing speaks against the value of a field.

    Args:
        name: the field.
        refusals: for each cause, whether it applies, the reason, and the remedy.

    Raises:
        SpecRefusedError: one of them applies; the first one is named.
    """
    for applies, reason, remedy in refusals:
        if applies:
            raise SpecRefusedError(name, value, UNFIT, reason, remedy)


def check_unused(
    spec: BaseModel, names: tuple[str, ...], reason: str, alternative: str | None = None
) -> None:
    """Check that a job does not use the fields of these names.

    Raises:
        SpecRefusedError: it uses one of them, which ``reason`` forbids; ``alternative`` says what a
            method for which the field has a meaning does, if there is one.
    """
    for name in names:
        unused = 0.0 if name == "sparsity" else type(spec).model_fields[name].default
        if getattr(spec, name) == unused:
            continue
        is_preset = name in PRESETS.get(str(getattr(spec, "preset", None)), ())
        remedy = f"Leave preset out, which sets {name}" if is_preset else f"Leave {name} out"
        if alternative is not None:
            remedy += f", or name a method that {alternative}, such as zpruner"
        value = spec.model_dump(mode="json", include={name})[name]
        raise SpecRefusedError(name, value, UNFIT, reason, f"{remedy}.")


def flag_or_object(field: str, kind: type[BaseModel]) -> BeforeValidator:
    """Return a validator that reads ``true`` as an object with the defaults, ``false`` as None."""

    def read(value: object) -> object:
        if isinstance(value, bool):
            return {} if value else None
        if value is None or isinstance(value, dict | kind):
            return value
        raise PydanticCustomError(field, "has the wrong type")

    return BeforeValidator(read, json_schema_input_type=bool | kind | None)


def name_or_object(field: str, kind: type[BaseModel]) -> BeforeValidator:
    """Return a validator that reads a name as an object with it, and ``none`` as None.

    The name is the one required field of ``kind``.
    """
    [(key, own)] = [(name, info) for name, info in kind.model_fields.items() if info.is_required()]

    def read(value: object) -> object:
        if isinstance(value, str):
            return None if value == "none" else {key: value}
        if value is None or isinstance(value, dict | kind):
            return value
        raise PydanticCustomError(field, "has the wrong type")

    names: Any = Literal[own.annotation, "none"]
    return BeforeValidator(read, json_schema_input_type=names | kind | None)
