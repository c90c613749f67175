from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import TypeAdapter, ValidationError

from db.core.retention_rules import (
    Deletion,
    RetentionRule,
    RetentionRules,
    StoredJob,
    retention_plan,
)

PARSER = TypeAdapter(RetentionRules)
NOW = datetime(2026, 1, 31, tzinfo=UTC)
LABELS = some.dictionaries(some.sampled_from("ab"), some.sampled_from("xy"), max_size=2)


def stored(job_id: str, days: float = 0, **fields: Any) -> StoredJob:
    defaults: dict[str, Any] = {"name": None, "model": "org/model", "labels": {}, "size_bytes": 1}
    defaults |= {"finished_at": NOW - timedelta(days=days), "is_protected": False}
    return StoredJob(id=job_id, **defaults | fields)


FIELDS = some.tuples(
    some.integers(0, 5),
    some.sampled_from("mn"),
    LABELS,
    some.integers(0, 9),
    some.booleans(),
)
LIMITS = some.tuples(
    some.sampled_from(["max_age_days", "max_jobs", "max_bytes"]),
    some.integers(1, 9),
    some.booleans(),
    LABELS,
)


def numbered_jobs(fields: list[tuple[int, str, dict[str, str], int, bool]]) -> list[StoredJob]:
    return [
        stored(f"job_{n}", days, model=model, labels=labels, size_bytes=size, is_protected=is_kept)
        for n, (days, model, labels, size, is_kept) in enumerate(fields)
    ]


def numbered_rules(limits: list[tuple[str, int, bool, dict[str, str]]]) -> list[RetentionRule]:
    return [
        RetentionRule.model_validate(
            {
                "name": f"rule-{n}",
                "labels": labels,
                limit: value,
                "per_model": per_model and limit != "max_age_days",
            }
        )
        for n, (limit, value, per_model, labels) in enumerate(limits)
    ]


JOBS = some.lists(FIELDS, max_size=8).map(numbered_jobs)
RULES = some.lists(LIMITS, max_size=3).map(numbered_rules)


def left_by(plan: Sequence[Deletion], stored: Sequence[StoredJob]) -> list[StoredJob]:
    deleted = {one.job.id for one in plan}
    return [job for job in stored if job.id not in deleted]


def limited(rule: RetentionRule, stored: Sequence[StoredJob]) -> Iterator[list[StoredJob]]:
    """Yield the jobs that share one limit of the rule."""
    matching = [
        job for job in stored if all(job.labels.get(k) == v for k, v in rule.labels.items())
    ]
    if not rule.per_model:
        yield matching
        return
    for model in {job.model for job in matching}:
        yield [job for job in matching if job.model == model]


@given(JOBS, RULES)
def test_a_protected_job_is_never_deleted_and_no_job_twice(
    stored: list[StoredJob], rules: list[RetentionRule]
) -> None:
    plan = retention_plan(stored, rules, NOW)
    assert not any(one.job.is_protected for one in plan)
    assert len({one.job.id for one in plan}) == len(plan)


@given(JOBS, RULES)
def test_each_deletion_fits_its_rule_s_labels_and_what_is_left_needs_no_other(
    stored: list[StoredJob], rules: list[RetentionRule]
) -> None:
    plan = retention_plan(stored, rules, NOW)
    assert all(one.rule.labels.items() <= one.job.labels.items() for one in plan)
    assert retention_plan(left_by(plan, stored), rules, NOW) == []


@given(JOBS, RULES)
def test_what_is_left_is_within_every_limit_or_protected(
    stored: list[StoredJob], rules: list[RetentionRule]
) -> None:
    left = left_by(retention_plan(stored, rules, NOW), stored)
    for rule in rules:
        for group in limited(rule, left):
            free = [job for job in group if not job.is_protected]
            if rule.max_age_days is not None:
                oldest = NOW - timedelta(days=rule.max_age_days)
                assert all(job.finished_at >= oldest for job in free)
            if rule.max_jobs is not None:
                assert len(free) <= rule.max_jobs
            if rule.max_bytes is not None:
                assert not free or sum(job.size_bytes for job in group) <= rule.max_bytes


@given(JOBS, some.integers(0, 20))
def test_a_size_limit_deletes_the_oldest_jobs_and_no_more_than_it_must(
    stored: list[StoredJob], max_bytes: int
) -> None:
    plan = retention_plan(stored, [RetentionRule(name="size", max_bytes=max_bytes)], NOW)
    left = left_by(plan, stored)
    for one in plan:
        assert all(job.is_protected or job.finished_at >= one.job.finished_at for job in left)
    if plan:
        size_bytes = sum(job.size_bytes for job in left) + plan[-1].job.size_bytes
        assert size_bytes > max_bytes


@given(JOBS, some.integers(0, 4))
def test_a_count_keeps_the_newest_jobs(stored: list[StoredJob], max_jobs: int) -> None:
    plan = retention_plan(stored, [RetentionRule(name="count", max_jobs=max_jobs)], NOW)
    newest_first = sorted(stored, key=lambda job: (job.finished_at, job.id), reverse=True)
    kept = {job.id for job in newest_first[:max_jobs]} | {
        job.id for job in stored if job.is_protected
    }
    assert {job.id for job in left_by(plan, stored)} == kept


def test_the_first_rule_that_fits_is_the_reason() -> None:
    old = stored("job_1", days=40, labels={"team": "nlp"}, size_bytes=5)
    new = stored("job_2", days=1, size_bytes=5)
    age = RetentionRule(name="age", max_age_days=30, labels={"team": "nlp"})
    size = RetentionRule(name="size", max_bytes=5)
    plan = retention_plan([new, old], [age, size], NOW)
    assert [(one.job.id, one.rule.name) for one in plan] == [("job_1", "age")]
    assert plan[0].reason == "the job ended more than 30 days ago"


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"max_age_days": 1.5}, "the job ended more than 1.5 days ago"),
        ({"max_jobs": 0}, "the job is not one of the newest 0 jobs with a=x"),
        (
            {"max_bytes": 0, "per_model": True},
            "the files of jobs of its model with a=x exceed 0 bytes",
        ),
    ],
)
def test_the_reason_names_the_limit(limit: dict[str, Any], reason: str) -> None:
    rule = RetentionRule(name="one", labels={"a": "x"}, **limit)
    (deletion,) = retention_plan([stored("job_1", days=2, labels={"a": "x"})], [rule], NOW)
    assert deletion.reason == reason


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "rule old has no limit: give exactly one of max_age_days, max_jobs, max_bytes"),
        (
            {"max_age_days": 1, "max_jobs": 2},
            "rule old has max_age_days and max_jobs: give exactly one of",
        ),
        ({"max_age_days": 1, "per_model": True}, "so remove per_model"),
        ({"max_age_days": 0}, "greater than 0"),
        ({"max_jobs": -1}, "greater than or equal to 0"),
        ({"max_bytes": 2**63}, "less than or equal to"),
        ({"max_days": 1}, "Extra inputs are not permitted"),
        ({"max_age_days": "30"}, "a valid number"),
        ({"max_jobs": True}, "a valid integer"),
        ({"max_jobs": 1, "per_model": 0}, "a valid boolean"),
        ({"max_jobs": 1, "labels": {"a b": "c"}}, "String should match pattern"),
    ],
)
def test_a_rule_without_a_clear_limit_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PARSER.validate_python([{"name": "old", **fields}])


def test_two_rules_have_different_names() -> None:
    with pytest.raises(ValidationError, match="two rules are named old: rename one"):
        PARSER.validate_python([{"name": "old", "max_jobs": 1}] * 2)
