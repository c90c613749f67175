"""Rules by which the files of finished jobs are deleted."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from db.core.label_types import MAX_LABELS, Label, LabelName

MAX_RULES = 50
LIMITS = ("max_age_days", "max_jobs", "max_bytes")


class RetentionRule(BaseModel):
    """A limit on the stored files of finished jobs; the files above it are deleted, oldest first.

    A rule has exactly one limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")] = Field(
        description="Shown with each deletion, so do not reuse it for another rule."
    )
    labels: dict[LabelName, Label] = Field(
        default={},
        max_length=MAX_LABELS,
        description="The rule is for jobs with all of these labels; by default for all jobs.",
    )
    max_age_days: float | None = Field(
        default=None, gt=0, le=3650, description="Days that files are kept after their job's end."
    )
    max_jobs: int | None = Field(
        default=None, ge=0, le=10**6, description="How many jobs keep their files: the newest."
    )
    max_bytes: int | None = Field(
        default=None, ge=0, le=2**63 - 1, description="The largest total size of the files."
    )
    per_model: bool = Field(
        default=False,
        description="Whether `max_jobs` or `max_bytes` limits each model's jobs separately.",
    )

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        given = [name for name in LIMITS if getattr(self, name) is not None]
        if len(given) != 1:
            raise PydanticCustomError(
                "limits",
                "rule {rule} has {given}: give exactly one of {limits}",
                {
                    "rule": self.name,
                    "given": " and ".join(given) or "no limit",
                    "limits": ", ".join(LIMITS),
                },
            )
        if self.per_model and self.max_age_days is not None:
            raise PydanticCustomError(
                "per_model",
                "rule {rule} has per_model and max_age_days: files of all models are equally old, "
                "so remove per_model",
                {"rule": self.name},
            )
        return self

    @property
    def max_age(self) -> timedelta | None:
        return None if self.max_age_days is None else timedelta(days=self.max_age_days)


def _require_different_names(rules: tuple[RetentionRule, ...]) -> tuple[RetentionRule, ...]:
    names = [rule.name for rule in rules]
    if twice := {name for name in names if names.count(name) > 1}:
        raise PydanticCustomError(
            "names", "two rules are named {name}: rename one", {"name": min(twice)}
        )
    return rules


RetentionRules = Annotated[
    tuple[RetentionRule, ...], Field(max_length=MAX_RULES), AfterValidator(_require_different_names)
]
"""Rules in the order in which they are applied."""
