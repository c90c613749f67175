"""The field ``mix`` of a specification: further texts that a model is calibrated and trained on."""

from fractions import Fraction
from typing import Annotated, ClassVar, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    model_validator,
)
from pydantic_core import PydanticCustomError

from db.spec.datasets.protocols import built_in
from db.spec.descriptions.basics import Basics, FieldName, SourceName, check_text_field
from db.spec.descriptions.option import Option, Place, check_fits
from db.spec.inputs.references import is_on_hub
from db.spec.options.evaluation import EvaluationFields

SIGN = "="
"""Stands between a text and its share where both are written as one word."""
GENERATED = "generated"
"""Stands for the text that the dense model writes."""


class MixedText(BaseModel):
    """One of the texts of a mix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: SourceName | None = Field(
        default=None, description="The text, named as in a job's `dataset`."
    )
    generated: StrictBool = Field(
        default=False,
        description="Whether it is text that the dense model writes itself, in place of a dataset.",
    )
    share: StrictFloat = Field(gt=0, lt=1, description="Its share of the windows, such as 0.25.")
    text_field: FieldName | None = Field(
        default=None,
        description="Which field or column of it holds the text, or the chat messages.",
    )

    @model_validator(mode="after")
    def _is_one_text(self) -> Self:
        if self.generated is (self.dataset is not None):
            raise PydanticCustomError("mixed_text", "names no text, or two")
        return self

    @property
    def name(self) -> str:
        """The name of the text, in messages."""
        return self.dataset or GENERATED


def _read(value: object) -> object:
    """Read ``wikitext2=0.25``, or ``generated=0.5``, as a text with its share."""
    if not isinstance(value, str):
        return value
    name, _, share = value.rpartition(SIGN)
    try:
        text = {"generated": True} if name == GENERATED else {"dataset": name}
        return text | {"share": float(share)}
    except ValueError:
        raise PydanticCustomError("mixed_text", "is not a text with its share") from None


_Item = Annotated[MixedText, BeforeValidator(_read, json_schema_input_type=str | MixedText)]
Mix = Annotated[tuple[_Item, ...], Field(max_length=7, fail_fast=True)]


def mixed_names(spec: Basics) -> tuple[str, ...]:
    """Return the names of all texts that a job is calibrated on, ``dataset`` first."""
    return (spec.dataset, *(text.name for text in MixFields.of(spec).mix))


def shares_of(spec: Basics) -> tuple[Fraction, ...]:
    """Return the shares of the texts that a job is calibrated on, exactly; their sum is 1."""
    further = [Fraction(str(text.share)) for text in MixFields.of(spec).mix]
    return (1 - sum(further, Fraction(0)), *further)


def generated_share(spec: Basics) -> float:
    """Return the share of the text that the dense model writes; 0 without any."""
    return next((text.share for text in MixFields.of(spec).mix if text.generated), 0.0)


def _check(spec: "MixFields") -> None:
    own = EvaluationFields.of(spec)
    measured = {own.eval_dataset, *own.eval_texts}
    names = mixed_names(spec)
    twice = next((name for name in names if names.count(name) > 1), None)
    seen = next((name for name in names[1:] if name in measured and _has_no_split(name)), None)
    shown = spec.model_dump(mode="json", include={"mix"})["mix"]
    check_fits(
        "mix",
        shown,
        (
            shares_of(spec)[0] <= 0,
            "the shares of its texts leave nothing for dataset, whose share is what is left of 1",
            "Set shares whose sum is below 1.",
        ),
        (twice is not None, f"{twice} is in it twice", "Name each text once, dataset included."),
        (
            seen is not None,
            f"{seen} is measured on, and a model is not measured on what it learns from",
            "Leave it out of the mix, or measure on another text.",
        ),
    )
    for place, text in enumerate(spec.mix):
        check_text_field(f"mix.{place}.text_field", text.text_field, text.dataset)


def _has_no_split(name: str) -> bool:
    """Whether a text is one file, of which no part is set aside to measure on."""
    return built_in(name) is None and not is_on_hub(name)


class MixFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        text_lists=("mix",),
        planned=("mix",),  # it reads the texts, which may be too short for their shares
        place=Place.texts,
        labels={"mix": "Further calibration texts"},
        docs={"mix": "[Mixes of texts](datasets.md#mixes-of-texts)."},
        remedies={
            "mixed_text": "Write wikitext2=0.25 or generated=0.5, or an object with both parts."
        },
    )

    mix: Mix = Field(
        default=(),
        description="Further calibration texts, each with its share of the windows, as "
        "`wikitext2=0.25` or an object; `dataset` has the rest. `generated=0.5` is text that the "
        "dense model writes itself. A recovery trains on the same shares.",
        examples=[[{"dataset": "wikitext2", "share": 0.25}, {"generated": True, "share": 0.5}]],
    )
