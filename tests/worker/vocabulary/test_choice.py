"""Which tokens stay."""

import pytest

from tests.worker.vocabulary.contents import content
from worker.vocabulary.bpe import BpeVocabulary
from worker.vocabulary.choice import kept_tokens
from worker.vocabulary.errors import VocabularyError

VOCABULARY = BpeVocabulary(content())


def test_without_a_number_the_used_tokens_stay_with_what_they_are_merged_from() -> None:
    assert kept_tokens(VOCABULARY, {8: 1}, (), None) == [2, 3, 4, 8, 9]
    assert kept_tokens(VOCABULARY, {7: 3}, (), None) == [0, 1, 2, 3, 4, 5, 6, 7, 9]


def test_with_a_number_the_most_used_ones_stay_that_fit() -> None:
    # abc needs six more tokens, cc only itself and c.
    assert kept_tokens(VOCABULARY, {7: 9, 8: 1}, (), 5) == [2, 3, 4, 8, 9]
    assert kept_tokens(VOCABULARY, {7: 9, 8: 1}, (), 9) == [0, 1, 2, 3, 4, 5, 6, 7, 9]


def test_a_number_is_filled_up_with_the_earliest_tokens() -> None:
    assert kept_tokens(VOCABULARY, {}, (), 6) == [0, 1, 2, 3, 4, 9]
    assert kept_tokens(VOCABULARY, {}, [8], 6) == [0, 2, 3, 4, 8, 9]


@pytest.mark.parametrize("keep", [11, 100])
def test_more_tokens_than_there_are_cannot_stay(keep: int) -> None:
    with pytest.raises(VocabularyError, match="the model has 10 tokens") as raised:
        kept_tokens(VOCABULARY, {}, (), keep)
    assert (raised.value.part, raised.value.remedy) == ("keep", "Set keep to 10 or less.")


def test_fewer_tokens_than_must_stay_are_refused() -> None:
    with pytest.raises(VocabularyError, match="4 tokens have to stay") as raised:
        kept_tokens(VOCABULARY, {}, [0], 3)
    assert (raised.value.part, raised.value.remedy) == ("keep", "Set keep to 4 or more.")


def test_ids_of_other_tokenizers_are_refused() -> None:
    with pytest.raises(VocabularyError, match="its id 11 is that of no token") as raised:
        kept_tokens(VOCABULARY, {0: 1, 12: 1, 11: 1}, (), None)
    assert raised.value.part == "dataset"
