"""The field ``vocabulary`` of a specification: tokens that a text never uses leave the model."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt
from pydantic_core import PydanticCustomError

from db.spec.descriptions.basics import Basics, FieldName, SourceName, check_text_field
from db.spec.descriptions.option import Option, Place
from db.spec.descriptions.result_part import ResultPart
from db.spec.pruning.methods import MethodName

FIELD = "vocabulary.dataset"
"""The field that names the text whose tokens stay."""
VOCABULARY_METRICS = (
    *("tokens", "tokens_before", "parameters_removed", "lost_tokens", "lost_share"),
    *("bits_per_byte", "dense_bits_per_byte", "text_growth", "measured_bytes"),
)


class VocabularySpec(BaseModel):
    """Whose tokens stay, and how many."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: SourceName = Field(
        description="The text whose tokens stay, named as `dataset` of the job. All of it counts."
    )
    text_field: FieldName | None = Field(
        default=None,
        description="Which field or column of it holds the text, or the chat messages.",
    )
    keep: StrictInt | None = Field(
        default=None,
        ge=1,
        le=10_000_000,
        description="How many tokens stay: those that the text uses most, with the tokens that "
        "they are merged from, bytes and special tokens. By default those that the text uses.",
    )


def _read(value: object) -> object:
    """Read the name of a text as an object with it, and ``none`` as None."""
    if isinstance(value, str):
        return None if value == "none" else {"dataset": value}
    if value is None or isinstance(value, dict | VocabularySpec):
        return value
    raise PydanticCustomError("vocabulary", "has the wrong type")


Vocabulary = Annotated[
    VocabularySpec | None,
    BeforeValidator(_read, json_schema_input_type=str | VocabularySpec | None),
]


def _check(spec: "VocabularyFields") -> None:
    if (vocabulary := spec.vocabulary) is not None:
        check_text_field("vocabulary.text_field", vocabulary.text_field, vocabulary.dataset)


class VocabularyFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        texts={FIELD: "vocabulary.text_field"},
        metrics={"vocabulary": tuple(f"vocabulary.{name}" for name in VOCABULARY_METRICS)},
        planned=("vocabulary",),  # only a worker reads the tokenizer
        untimed={"vocabulary": "the measurement of the smaller vocabulary"},
        remedies={
            "vocabulary": "Write the name of a text such as wikitext2, or an object such as "
            '{{"dataset": "wikitext2", "keep": 32000}}.'
        },
        place=Place.what,
        result=ResultPart(
            "vocabulary",
            "Smaller vocabulary",
            {
                "Tokens": "{tokens:count} of {tokens_before:count}",
                "Parameters removed": "{parameters_removed:count}",
                "Lost tokens of the evaluation text": "{lost_tokens:count}, {lost_share:share}",
                "Bits per byte, dense": "{dense_bits_per_byte:figure}",
                "Bits per byte of this model": "{bits_per_byte:figure}",
            },
            note="Perplexities are per token and before tokens went. Models with different tokens "
            "are compared by bits per byte, which each has on the same text in its own tokens.",
        ),
        only_with={"vocabulary": {"method": set(MethodName) - {MethodName.experts}}},
        labels={
            "vocabulary": "Text whose tokens stay",
            "vocabulary.text_field": "Its text field",
            "vocabulary.keep": "Tokens to keep",
        },
        docs={"vocabulary": "[Smaller vocabularies](#smaller-vocabularies)."},
    )

    vocabulary: Vocabulary = Field(
        default=None,
        description="Removes tokens that a text never uses from the tokenizer, the embedding and "
        "the head: the name of the text, or an object that sets more. The other tokens keep their "
        "logits.",
        examples=[{"dataset": "wikitext2", "keep": 32_000}],
    )
