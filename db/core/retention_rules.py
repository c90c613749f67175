"""The rules by which the files of finished jobs are deleted, and whose files they delete."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
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
    max_age_days: StrictFloat | None = Field(
        default=None, gt=0, le=3650, description="Days that files are kept after their job's end."
    )
    max_jobs: StrictInt | None = Field(
        default=None, ge=0, le=10**6, description="How many jobs keep their files: the newest."
    )
    max_bytes: StrictInt | None = Field(
        default=None, ge=0, le=2**63 - 1, description="The largest total size of the files."
    )
    per_model: StrictBool = Field(
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


@dataclass(frozen=True)
class StoredJob:
    """A succeeded job with files that a rule could delete.

    Attributes:
        model: the model's key in the database.
        size_bytes: the total size of these files.
        is_protected: whether no rule may delete them now: the job is pinned or in use.
    """

    id: str
    name: str | None
    finished_at: datetime
    model: str
    labels: Mapping[str, object]
    size_bytes: int
    is_protected: bool


@dataclass(frozen=True)
class Deletion:
    """The files of a job that a rule deletes."""

    job: StoredJob
    rule: RetentionRule

    @property
    def reason(self) -> str:
        """The reason, as a clause."""
        rule = self.rule
        which = "".join(f", {name}={value}" for name, value in rule.labels.items())
        jobs = f"jobs{' of its model' if rule.per_model else ''}{which.replace(', ', ' with ', 1)}"
        if rule.max_age_days is not None:
            return f"the job ended more than {rule.max_age_days:g} days ago"
        if rule.max_jobs is not None:
            return f"the job is not one of the newest {rule.max_jobs:,} {jobs}"
        return f"the files of {jobs} exceed {rule.max_bytes:,} bytes"


def retention_plan(
    jobs: Iterable[StoredJob], rules: Sequence[RetentionRule], at: datetime
) -> list[Deletion]:
    """Return the deletions in their order: by rule, and the oldest job of each rule first.

    A rule ignores the jobs whose files an earlier rule deletes. Protected jobs count towards its
    limit, but keep their files.

    Args:
        jobs: all jobs with files.
        rules: the rules in the order in which they are applied.
        at: the present time.
    """
    left = sorted(jobs, key=lambda job: (job.finished_at, job.id))
    plan: list[Deletion] = []
    for rule in rules:
        matching = [job for job in left if rule.labels.items() <= job.labels.items()]
        deleted = {job.id for group in _groups(matching, rule) for job in _above(group, rule, at)}
        plan += [Deletion(job, rule) for job in left if job.id in deleted]
        left = [job for job in left if job.id not in deleted]
    return plan


def _groups(jobs: Sequence[StoredJob], rule: RetentionRule) -> Iterable[list[StoredJob]]:
    """Return the jobs that share a limit, oldest first."""
    groups: dict[str, list[StoredJob]] = {}
    for job in jobs:
        groups.setdefault(job.model if rule.per_model else "", []).append(job)
    return groups.values()


def _above(group: Sequence[StoredJob], rule: RetentionRule, at: datetime) -> Iterator[StoredJob]:
    """Yield the jobs above the rule's limit; ``group`` is sorted, oldest first."""
    size_bytes = sum(job.size_bytes for job in group)
    for rank, job in zip(range(len(group), 0, -1), group, strict=True):  # the newest has rank 1
        is_above = (
            (rule.max_age is not None and job.finished_at < at - rule.max_age)
            or (rule.max_jobs is not None and rank > rule.max_jobs)
            or (rule.max_bytes is not None and size_bytes > rule.max_bytes)
        )
        if is_above and not job.is_protected:
            size_bytes -= job.size_bytes
            yield job
