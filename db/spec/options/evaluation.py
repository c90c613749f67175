"""The text on which perplexity is measured."""

from typing import ClassVar

from pydantic import Field, StrictInt

from db.spec.descriptions.option import Option, Place
from db.spec.options.basics import Basics, FieldName, SourceName, check_text_field


def _check(spec: "EvaluationFields") -> None:
    check_text_field("eval_text_field", spec.eval_text_field, spec.eval_dataset)


class EvaluationFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        texts={"eval_dataset": "eval_text_field"},
        only_with={"eval_text_field": {"eval_dataset": ()}},
        place=Place.evaluation,
        labels={
            "eval_dataset": "Evaluation text",
            "eval_text_field": "Evaluation text field",
            "eval_samples": "Evaluation windows",
        },
    )

    eval_dataset: SourceName | None = Field(
        default=None,
        description="Text to measure perplexity on; by default what `dataset` holds out. "
        "`wikitext2@2048`, `c4@2048` and `ptb@2048` measure as the literature does, on windows of "
        "2,048 tokens whatever `seq_len` is.",
    )
    eval_text_field: FieldName | None = Field(
        default=None,
        description="Which field or column of `eval_dataset` holds the text, or the chat messages.",
    )
    eval_samples: StrictInt | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Evaluation windows; all of the text by default.",
    )
