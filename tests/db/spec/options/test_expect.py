"""Which names and values expected inputs may have."""

import pytest
from pydantic import ValidationError

from db.spec.prune_spec import PruneSpec

JOB = {"model": "org/model", "sparsity": 0.5, "dataset": "c4"}


def test_files_of_the_model_texts_and_versions_can_be_pinned() -> None:
    expect = dict.fromkeys(("model/a b.json", "calibration", "evaluation", "version/torch"), "1f")
    assert PruneSpec.model_validate(JOB | {"expect": expect}).expect == expect


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "weights",
            "1f",
            "has weights, which is not an input",
        ),
        ("model/", "1f", "has model/, which is not an input"),
        ("model/a\x00", "1f", "which is not an input"),
        ("calibration", "", "should match pattern"),
        ("calibration", "two words", "should match pattern"),
    ],
)
def test_another_name_or_value_is_refused_with_the_ones_that_there_are(
    name: str, value: str, message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        PruneSpec.model_validate(JOB | {"expect": {name: value}})
