"""The prompts that the dense and the pruned model continue, so that people can read both."""

from typing import Annotated, ClassVar

from pydantic import Field, StrictBool

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place, check_fits
from db.spec.descriptions.result_part import ResultPart

PROMPTS = (
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "Water boils at a lower temperature on a mountain because",
    "def is_prime(n):\n",
    "Question: A farmer has 17 sheep and buys 5 more. How many sheep does he have?\nAnswer:",
)
"""The prompts of jobs that name none."""

ESTIMATE = "generation"
"""The group of the metrics, whose standard errors are in a group of the same name and `_stderr`."""
FIGURES = {
    "loops": "Texts that repeat themselves",
    "ends": "Texts that come to an end",
    "distinct_4": "Distinct runs of four tokens",
}
"""What each figure of the drawn texts of a model is, by its name."""
_FIGURES = tuple(f"{model}{name}" for name in FIGURES for model in ("dense_", ""))
GENERATION_METRICS = (
    *(f"{ESTIMATE}.{name}" for name in (*_FIGURES, "texts")),
    *(f"{ESTIMATE}_stderr.{name}" for name in _FIGURES),
)
_RESULT = ResultPart(
    ESTIMATE,
    "Drawn texts",
    table=(
        ("Drawn texts", "Dense", "Pruned"),
        *(
            (
                label,
                *(
                    f"{{{model}{name}:share}}{{/{ESTIMATE}_stderr.{model}{name}:error}}"
                    for model in ("dense_", "")
                ),
            )
            for name, label in FIGURES.items()
        ),
    ),
    note="Of {texts:count} texts of each model. ± is a 95 % interval, for which the texts of a "
    "prompt count as one.",
)

Prompt = Annotated[str, Field(min_length=1, max_length=1000)]
Prompts = Annotated[tuple[Prompt, ...], Field(min_length=1, max_length=16, fail_fast=True)]


def _check(spec: "GenerateFields") -> None:
    if spec.prompts is not None:
        reason, remedy = "the job generates no text", "Set generate to true, or leave prompts out."
        check_fits("prompts", list(spec.prompts), (not spec.generate, reason, remedy))


class GenerateFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        metrics={"generate": GENERATION_METRICS},
        estimates=(ESTIMATE,),
        result=_RESULT,
        untimed={"generate": "generated text"},
        only_with={"prompts": {"generate": ()}},
        place=Place.evaluation,
        labels={"generate": "Generate text"},
        docs={"generate": "[Generated text](#generated-text)."},
    )

    generate: StrictBool = Field(
        default=False,
        description="Whether the dense and the pruned model continue a few prompts, for people to "
        "read, and how often their texts repeat themselves or come to an end.",
    )
    prompts: Prompts | None = Field(
        default=None,
        description="The prompts that `generate` uses in place of its own.",
        examples=[["The capital of France is"]],
    )
