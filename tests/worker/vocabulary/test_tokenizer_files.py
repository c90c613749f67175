"""A tokenizer with fewer tokens writes every text, and known texts in the same tokens."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sentencepiece import SentencePieceProcessor
from transformers import AutoTokenizer

from tests.worker.vocabulary.small_tokenizers import (
    OTHER,
    SCRIPTS,
    STORY,
    TEXT,
    write_byte_fallback,
    write_byte_level,
)
from worker.vocabulary.bpe import BpeVocabulary
from worker.vocabulary.choice import kept_tokens
from worker.vocabulary.tokenizer_files import write_tokenizer

KINDS = {"byte-level": write_byte_level, "byte-fallback": write_byte_fallback}


class Cut:
    """A tokenizer, and the one without the tokens that `TEXT` never uses."""

    def __init__(self, folder: Path, write: Callable[[Path], Any]) -> None:
        self.source, self.out = folder / "dense", folder / "small"
        for path in (self.source, self.out):
            path.mkdir()
        self.dense = write(self.source)
        vocabulary = BpeVocabulary.read(self.source)
        used = dict.fromkeys(self.dense(TEXT)["input_ids"], 1)
        self.kept = kept_tokens(vocabulary, used, (), None)
        numbers = {old: new for new, old in enumerate(self.kept)}
        self.names = write_tokenizer(self.source, self.out, vocabulary, numbers)
        self.small = AutoTokenizer.from_pretrained(self.out)


@pytest.fixture(scope="module", params=KINDS)
def cut(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cut:
    return Cut(tmp_path_factory.mktemp(request.param), KINDS[request.param])


def test_a_text_of_the_kept_tokens_is_split_into_the_same_strings(cut: Cut) -> None:
    assert len(cut.kept) < len(cut.dense)
    for text in (TEXT, STORY, "the happy dog"):
        before, after = cut.dense(text)["input_ids"], cut.small(text)["input_ids"]
        if set(before) <= set(cut.kept):
            assert [cut.kept[token] for token in after] == before
            strings = cut.dense.convert_ids_to_tokens(before)
            assert cut.small.convert_ids_to_tokens(after) == strings
    assert set(cut.dense(TEXT)["input_ids"]) <= set(cut.kept)


def test_a_word_whose_token_went_is_written_in_shorter_ones(cut: Cut) -> None:
    before = cut.dense.tokenize(OTHER)
    after = cut.small.tokenize(OTHER)
    assert len(after) > len(before)
    texts = [one.decode(one(OTHER)["input_ids"]) for one in (cut.dense, cut.small)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("text", SCRIPTS)
def test_every_script_and_emoji_survives_a_round_trip(cut: Cut, text: str) -> None:
    ids = cut.small(text, add_special_tokens=False)["input_ids"]
    assert cut.small.decode(ids) == text


def test_special_tokens_are_found_in_text_and_added_with_new_ids(tmp_path: Path) -> None:
    cut = Cut(tmp_path, write_byte_level)
    ids = cut.small("<|user|>the dog")["input_ids"]
    assert ids[0] == cut.small.convert_tokens_to_ids("<|user|>") == len(cut.kept) - 1
    assert ids[-1] == cut.small.eos_token_id == len(cut.kept) - 2
    decoder = json.loads((cut.out / "tokenizer.json").read_text())["added_tokens"]
    assert [token["id"] for token in decoder] == [len(cut.kept) - 2, len(cut.kept) - 1]


def test_a_sentencepiece_model_has_the_same_tokens(tmp_path: Path) -> None:
    cut = Cut(tmp_path, write_byte_fallback)
    pieces: Any = SentencePieceProcessor(model_file=str(cut.out / "tokenizer.model"))
    assert pieces.vocab_size() == len(cut.kept)
    for text in (TEXT, OTHER.strip(), *SCRIPTS):
        assert pieces.encode(text) == cut.small(text, add_special_tokens=False)["input_ids"]


def test_files_of_older_tokenizers_have_the_same_tokens(tmp_path: Path) -> None:
    source, out = tmp_path / "dense", tmp_path / "small"
    out.mkdir()
    write_byte_level(source)
    vocabulary = BpeVocabulary.read(source)
    (source / "vocab.json").write_text(json.dumps(dict(vocabulary.tokens)))
    (source / "merges.txt").write_text("#version: 0.2\n")
    (source / "added_tokens.json").write_text(json.dumps({"<|end|>": 360}))
    (source / "tokenizer.model").write_text("IQ== 0\nIg== 1\n")
    kept = kept_tokens(vocabulary, {}, (), 300)
    names = write_tokenizer(source, out, vocabulary, {old: new for new, old in enumerate(kept)})

    model = json.loads((out / "tokenizer.json").read_text())["model"]
    assert json.loads((out / "vocab.json").read_text()) == model["vocab"]
    merges = [f"{left} {right}" for left, right in BpeVocabulary({"model": model}).merges]
    assert (out / "merges.txt").read_text().splitlines()[1:] == merges
    assert json.loads((out / "added_tokens.json").read_text()) == {"<|end|>": 298}
    # That of tiktoken is of no use to anybody: it is not written, and must not be copied.
    assert "tokenizer.model" in names
    assert not (out / "tokenizer.model").exists()
