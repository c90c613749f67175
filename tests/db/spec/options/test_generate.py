"""The prompts of a job."""

import pytest
from pydantic import ValidationError

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from tests.factories import make_spec


def test_prompts_without_generate_are_refused() -> None:
    check_combination(make_spec(generate=True, prompts=["Hello"]))
    with pytest.raises(SpecRefusedError) as refused:
        check_combination(make_spec(prompts=["Hello"]))
    assert (refused.value.field, refused.value.value) == ("prompts", ["Hello"])
    assert "Set generate to true" in refused.value.remedy


@pytest.mark.parametrize("prompts", [[], [""], ["x" * 1001], ["x"] * 17])
def test_prompts_are_few_and_short(prompts: list[str]) -> None:
    with pytest.raises(ValidationError, match="prompts"):
        make_spec(generate=True, prompts=prompts)
