"""The texts on which the dense and the pruned model are compared."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field, StrictInt

from db.spec.descriptions.basics import Basics, FieldName, SourceName, check_text_field
from db.spec.descriptions.option import Option, Place, check_fits

EvalTexts = Annotated[tuple[SourceName, ...], Field(max_length=8, fail_fast=True)]

WORST = ("worst_ratio", "worst_kl", "worst_agreement")
"""The metrics of the text on which the pruned model is furthest from the dense one."""
ESTIMATES = ("text_ratio", "kl", "agreement")
"""The metrics of each text that have a standard error, under the metric's name and `_stderr`."""
TEXT_METRICS = ("text_perplexity", *(name + end for name in ESTIMATES for end in ("", "_stderr")))
"""The metrics of each text, which are groups by the text's name."""


def compared_texts(spec: "EvaluationFields") -> tuple[str, ...]:
    """Return the names of the texts on which the models are compared, as the job gives them."""
    return (spec.eval_dataset or spec.dataset, *spec.eval_texts)


def _check(spec: "EvaluationFields") -> None:
    check_text_field("eval_text_field", spec.eval_text_field, spec.eval_dataset)
    names, texts = compared_texts(spec), list(spec.eval_texts)
    twice = next((name for name in names if names.count(name) > 1), None)
    reason = f"the models are compared on {twice} twice"
    check_fits("eval_texts", texts, (twice is not None, reason, "Name it once."))
    is_seen, reason = spec.dataset in texts, f"the model is calibrated on {spec.dataset}"
    remedy = "Leave it out: without an eval_dataset, its held-out part is measured."
    check_fits("eval_texts", texts, (is_seen, reason, remedy))


def _metrics(spec: "EvaluationFields") -> Iterator[str]:
    return (f"{metric}.{name}" for name in compared_texts(spec) for metric in TEXT_METRICS)


class EvaluationFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        texts={"eval_dataset": "eval_text_field"},
        text_lists=("eval_texts",),
        named_metrics=_metrics,
        estimates=ESTIMATES,
        only_with={"eval_text_field": {"eval_dataset": ()}},
        place=Place.evaluation,
        labels={
            "eval_dataset": "Evaluation text",
            "eval_text_field": "Evaluation text field",
            "eval_texts": "Further evaluation texts",
            "eval_samples": "Evaluation windows",
        },
        docs={"eval_texts": "[Other texts](#other-texts)."},
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
    eval_texts: EvalTexts = Field(
        default=(),
        description="Further texts, on the first windows of which the pruned model is compared "
        "with the dense one. `stdlib-docs` and `stdlib-code` are on every machine.",
        examples=[["c4", "stdlib-code"]],
    )
    eval_samples: StrictInt | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Evaluation windows; all of the text by default.",
    )
