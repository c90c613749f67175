from typing import Any

import pytest
from pydantic import ValidationError

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.options.vocabulary import VocabularySpec
from tests.factories import make_spec


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, None),
        ("none", None),
        ("wikitext2", VocabularySpec(dataset="wikitext2")),
        ({"dataset": "wikitext2"}, VocabularySpec(dataset="wikitext2")),
        ({"dataset": "c4", "keep": 32_000}, VocabularySpec(dataset="c4", keep=32_000)),
    ],
)
def test_it_is_the_name_of_a_text_or_an_object(given: Any, read: VocabularySpec | None) -> None:
    spec = make_spec(vocabulary=given, method="none", sparsity=0.0)
    assert spec.vocabulary == read
    check_combination(spec)


@pytest.mark.parametrize(
    "given", [True, 5, "", {}, {"keep": 10}, {"dataset": "c4", "keep": 0}, {"languages": []}]
)
def test_other_values_are_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        make_spec(vocabulary=given)


def test_a_built_in_text_has_no_fields_to_choose_from() -> None:
    spec = make_spec(vocabulary={"dataset": "c4", "text_field": "content"})
    with pytest.raises(SpecRefusedError, match="c4 is built in") as refused:
        check_combination(spec)
    assert refused.value.field == "vocabulary.text_field"
