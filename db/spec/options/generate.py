"""The prompts that the dense and the pruned model continue, so that people can read both."""

from typing import Annotated, ClassVar

from pydantic import Field, StrictBool

from db.spec.descriptions.option import Option, Place, check_fits
from db.spec.options.basics import Basics

PROMPTS = (
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "Water boils at a lower temperature on a mountain because",
    "def is_prime(n):\n",
    "Question: A farmer has 17 sheep and buys 5 more. How many sheep does he have?\nAnswer:",
)
"""The prompts of jobs that name none."""

Prompt = Annotated[str, Field(min_length=1, max_length=1000)]
Prompts = Annotated[tuple[Prompt, ...], Field(min_length=1, max_length=16, fail_fast=True)]


def _check(spec: "GenerateFields") -> None:
    if spec.prompts is not None:
        reason, remedy = "the job generates no text", "Set generate to true, or leave prompts out."
        check_fits("prompts", list(spec.prompts), (not spec.generate, reason, remedy))


class GenerateFields(Basics):
    OPTION: ClassVar = Option(
        check=_check,
        untimed={"generate": "generated text"},
        only_with={"prompts": {"generate": ()}},
        place=Place.evaluation,
        labels={"generate": "Generate text"},
        docs={"generate": "[Generated text](#generated-text)."},
    )

    generate: StrictBool = Field(
        default=False,
        description="Whether the dense and the pruned model continue a few prompts, for people to "
        "read. Both must fit into memory as a whole, one after the other.",
    )
    prompts: Prompts | None = Field(
        default=None,
        description="The prompts that `generate` uses in place of its own.",
        examples=[["The capital of France is"]],
    )
