"""The tokens of a ``tokenizer.json``, and what they are merged from."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.worker.vocabulary.contents import content
from worker.vocabulary.bpe import BpeVocabulary
from worker.vocabulary.errors import VocabularyError


def test_the_tokens_of_all_ways_to_merge_a_token_belong_to_it() -> None:
    vocabulary = BpeVocabulary(content())
    assert vocabulary.with_parents([7]) == {0, 1, 2, 5, 6, 7}
    assert vocabulary.with_parents([7], {0, 5}) == {1, 2, 6, 7}


def test_bytes_unknown_and_special_tokens_stay() -> None:
    assert BpeVocabulary(content()).fixed == {3, 4, 9}
    byte_level = content(byte_fallback=False) | {"decoder": {"type": "ByteLevel"}}
    assert BpeVocabulary(byte_level).fixed == {0, 1, 2, 3, 4, 9}


@pytest.mark.parametrize("as_pairs", [False, True])
def test_merges_of_kept_tokens_keep_their_order_and_their_form(as_pairs: bool) -> None:
    whole = content()
    if as_pairs:
        whole["model"]["merges"] = [pair.split() for pair in whole["model"]["merges"]]
    numbers = {old: new for new, old in enumerate([0, 1, 2, 3, 4, 6, 8, 9])}
    cut = BpeVocabulary(whole).cut(numbers)
    expected = ["b c", "c c"]
    assert cut["model"]["merges"] == ([pair.split() for pair in expected] if as_pairs else expected)
    assert cut["model"]["vocab"]["cc"] == 6
    assert cut["added_tokens"][0]["id"] == 7


def test_tokens_that_a_post_processor_adds_stay_and_are_renumbered() -> None:
    roberta = {"type": "RobertaProcessing", "sep": ["</s>", 8], "cls": ["<s>", 7]}
    template = {"special_tokens": {"<end>": {"id": "<end>", "ids": [9], "tokens": ["<end>"]}}}
    parts = {"type": "Sequence", "processors": [roberta, template]}
    vocabulary = BpeVocabulary(content() | {"post_processor": parts, "padding": {"pad_id": 2}})
    assert vocabulary.fixed == {2, 3, 4, 7, 8, 9}
    cut = vocabulary.cut({old: 10 * old for old in range(10)})
    first, second = cut["post_processor"]["processors"]
    assert (first["sep"], first["cls"]) == (["</s>", 80], ["<s>", 70])
    assert second["special_tokens"]["<end>"]["ids"] == [90]
    assert cut["padding"]["pad_id"] == 20


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"type": "Unigram"}, "of the kind Unigram"),
        ({"type": "WordPiece"}, "of the kind WordPiece"),
        ({"byte_fallback": False}, "no byte stands for a lost one"),
    ],
)
def test_a_tokenizer_that_could_not_write_every_text_is_refused(
    tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps(content(**change)))
    with pytest.raises(VocabularyError, match=reason):
        BpeVocabulary.read(tmp_path)


def test_a_folder_without_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"the model has no tokenizer\.json"):
        BpeVocabulary.read(tmp_path)
