from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from db.core.retention_rules import RetentionRules

RULES = TypeAdapter(RetentionRules)


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
        ({"max_jobs": 1, "labels": {"a b": "c"}}, "String should match pattern"),
    ],
)
def test_a_rule_without_a_clear_limit_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RULES.validate_python([{"name": "old", **fields}])


def test_two_rules_have_different_names() -> None:
    with pytest.raises(ValidationError, match="two rules are named old: rename one"):
        RULES.validate_python([{"name": "old", "max_jobs": 1}] * 2)
