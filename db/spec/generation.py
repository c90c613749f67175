"""The prompts that the dense and the pruned model continue, so that people can read both."""

from typing import Annotated

from pydantic import Field

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
