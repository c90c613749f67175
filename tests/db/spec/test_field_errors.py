"""What is wrong with a job's fields, in words, and the remedies."""

from typing import Any

import pytest
from pydantic import ValidationError

from db.spec.field_errors import reason_of, remedy_of, shown_value
from db.spec.prune_spec import PruneSpec


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "sparsity: is required. Add it, or a pattern such as 2:4, which implies it."),
        ({"sparsity": 50}, " 50: is too large. Write 0.5 for 50 %. Use a value below 1."),
        ({"sparsity": 0.5, "method": "wandda"}, "Did you mean wanda?"),
        (
            {"sparsity": 0.5, "skip": "*.o"},
            "'*.o': has the wrong type. Write [\"*.o\"]. Use a list.",
        ),
        (
            {"sparsity": 0.5, "recover": {"tokens": 8}},
            "recover.kind: is required. Write a kind such as masked, or",
        ),
        ({"sparsity": 0.5, "pattern": "2"}, "Write 2:4 to keep two of each four neighbours."),
    ],
)
def test_an_error_has_the_field_its_value_and_the_remedy(
    fields: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        PruneSpec.model_validate({"model": "m", "dataset": "c4"} | fields)
    [error] = refused.value.errors()
    path = [str(part) for part in error["loc"]]
    text = f"{'.'.join(path)}{shown_value(error)}: {reason_of(error)}. {remedy_of(error, path)}"
    assert expected in text


def test_an_unknown_type_of_error_has_no_remedy() -> None:
    assert remedy_of({"type": "new", "msg": "", "input": 1}, ["a"]) == ""
