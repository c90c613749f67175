"""The field ``target`` of a specification: the size of the result, in place of a ratio."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, check_fits
from db.spec.descriptions.result_part import ResultPart
from db.spec.options.vocabulary import VocabularyFields
from db.spec.pruning.methods import MethodName
from db.spec.pruning.sizes import ByteCount, ParameterCount

SIZES = ("parameters", "active_parameters", "bytes", "memory")
"""What a target can limit."""
AIMED = (MethodName.neurons, MethodName.heads, MethodName.depth, MethodName.experts)
"""Methods of which the size of the result is known before anything is measured."""

_FIGURES = {"size": "size", "perplexity": "figure", "seconds": "seconds", "kept": "yes"}
"""What is measured of each candidate, and the unit of each figure."""
MOST_DIGITS = 20
"""No number of a target has more."""


def _listed(value: object) -> object:
    return value.split("+") if isinstance(value, str) else value


class TargetSpec(BaseModel):
    """The largest size that the result may have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameters: ParameterCount | None = Field(
        default=None, description="How many parameters the result has at most, such as `6B`."
    )
    active_parameters: ParameterCount | None = Field(
        default=None,
        description="How many parameters each token runs through at most; of a model without "
        "experts these are all.",
    )
    bytes: ByteCount | None = Field(
        default=None, description="How large the weights' files are at most, such as `3.5 GB`."
    )
    memory: ByteCount | None = Field(
        default=None,
        description="How much memory the weights and the keys and values of `context` tokens take "
        "at most, such as `24 GB`.",
    )
    context: StrictInt | None = Field(
        default=None, ge=1, le=2**24, description="With `memory`, tokens of each sequence."
    )
    batch: StrictInt | None = Field(
        default=None, ge=1, le=2**16, description="With `memory`, sequences at once; 1 by default."
    )
    candidates: Annotated[tuple[MethodName, ...], BeforeValidator(_listed)] | None = Field(
        default=None,
        min_length=1,
        description="Other methods that may meet the target: each prunes the model as `method` "
        "does, and the result of the lowest perplexity is kept.",
        examples=[["depth", "heads"]],
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(given := [name for name in SIZES if getattr(self, name) is not None]) != 1:
            raise PydanticCustomError(
                "target_sizes",
                "has no size, or more than one",
            )
        if (self.context is not None) != (given == ["memory"]):
            raise PydanticCustomError(
                "target_context", "has memory without context, or context without memory"
            )
        if self.batch is not None and self.context is None:
            raise PydanticCustomError("target_context", "has batch without memory")
        return self

    @property
    def limited(self) -> str:
        """What is limited: one of `SIZES`."""
        return next(name for name in SIZES if getattr(self, name) is not None)

    @property
    def limit(self) -> int:
        """The largest value of it."""
        value: int = getattr(self, self.limited)
        return value


def _read(value: object) -> object:
    """Read ``memory=24 GB, context=8192`` as an object, and ``none`` as None."""
    if value is None or isinstance(value, dict | TargetSpec):
        return value
    if value == "none":
        return None
    pairs = [part.partition("=") for part in str(value).split(",")]
    if not isinstance(value, str) or not all(equals for _, equals, _ in pairs):
        raise PydanticCustomError("target", "is not a size")
    sizes = {name.strip(): text.strip() for name, _, text in pairs}
    return {name: _number_or_text(text) for name, text in sizes.items()}


def _number_or_text(text: str) -> int | str:
    if not text.isdecimal():
        return text
    if len(text) > MOST_DIGITS:
        raise PydanticKnownError("int_parsing_size")
    return int(text)


def candidates_of(spec: "TargetFields") -> list[Any]:
    """Return a job's specification with each of the methods that it compares, its own first.

    They have no candidates of their own. Without candidates it is the specification itself.
    """
    if (target := spec.target) is None or target.candidates is None:
        return [spec]
    alone = target.model_copy(update={"candidates": None})
    methods = (spec.method, *target.candidates)
    return [spec.model_copy(update={"method": method, "target": alone}) for method in methods]


Target = Annotated[
    TargetSpec | None,
    BeforeValidator(_read, json_schema_input_type=str | TargetSpec | None),
]


def _names(target: TargetSpec | None) -> list[str]:
    """Return the names of the metrics of the candidates."""
    if target is None or target.candidates is None:
        return []
    return [f"target.candidates.{method}.{name}" for method in AIMED for name in _FIGURES]


def _check(spec: "TargetFields") -> None:
    """Check that the method's result has a size that is known beforehand."""
    if (target := spec.target) is None:
        return
    _check_candidates(spec, target)
    methods = ", ".join(AIMED[:-1])
    check_fits(
        "target",
        target.model_dump(exclude_none=True),
        (
            spec.method not in AIMED,
            f"the size of the result of method {spec.method} does not follow from a number of "
            "units that is known beforehand",
            f"Set method to {methods} or {AIMED[-1]}, or leave target out.",
        ),
        (
            spec.method is MethodName.experts and target.active_parameters is not None,
            "method experts removes no parameters that a token runs through: each token keeps as "
            "many experts",
            f"Set method to {methods}, or limit parameters.",
        ),
        (
            VocabularyFields.of(spec).vocabulary is not None,
            "how many tokens stay is known only after the text of vocabulary is read",
            "Leave vocabulary out, and remove tokens from the result by a job with method none.",
        ),
    )


def _check_candidates(spec: "TargetFields", target: TargetSpec) -> None:
    """Check that the candidates are different methods whose results can have a size."""
    named, methods = list(target.candidates or ()), [spec.method, *(target.candidates or ())]
    aimless = next((method for method in named if method not in AIMED), None)
    twice = next((method for method in methods if methods.count(method) > 1), None)
    check_fits(
        "target.candidates",
        [method.value for method in named],
        (
            aimless is not None,
            f"the size of the result of method {aimless} is not known beforehand",
            f"Name some of {', '.join(AIMED)}.",
        ),
        (
            twice is not None,
            f"method {twice} would be compared with itself",
            f"Leave {twice} out of candidates.",
        ),
    )


class TargetFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        amounts=("target",),
        metrics={"target": ("target.size", "target.limit")},
        named_metrics=lambda spec: _names(spec.target),
        planned=("target",),  # only the opened model shows which sizes are possible
        result=ResultPart(
            "target",
            "Target",
            {"Size of the result": "{size:size}", "At most": "{limit:size}"},
            (
                ("Candidate", "Size", "Perplexity", "Time", "Kept"),
                *(
                    (
                        method.value,
                        *(
                            f"{{candidates.{method}.{name}:{unit}}}"
                            for name, unit in _FIGURES.items()
                        ),
                    )
                    for method in AIMED
                ),
            ),
        ),
        remedies={
            "target": "Write a size such as parameters=6B, or an object such as "
            '{{"memory": "24 GB", "context": 8192}}.',
            "size": "Write a number, or a text such as {examples}.",
            "target_sizes": 'Write one size, such as {{"parameters": "6B"}}.',
            "target_context": 'Write {{"memory": "24 GB", "context": 8192}}.',
        },
        first={"target": 4},
        only_with={"target": {"method": AIMED}},
        labels={"target": "Largest size"},
        docs={"target": "[A size as the goal](methods/removal.md#a-size-as-the-goal)."},
    )

    target: Target = Field(
        default=None,
        description="The largest size that the result may have, in place of `ratio` or `experts`: "
        "as little is removed as meets it. With `candidates`, several methods are compared.",
        examples=[{"parameters": "6B"}, {"memory": "24 GB", "context": 8192}],
    )
