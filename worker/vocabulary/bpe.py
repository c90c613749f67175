"""The vocabulary of a ``tokenizer.json`` whose model is byte pair encoding (BPE)."""

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from worker.vocabulary.errors import VocabularyError

FILE = "tokenizer.json"
_REMEDY = "Leave vocabulary out, or name a model with such a tokenizer."
_PAIRS = ("sep", "cls")
"""Fields of post-processors that hold a token and its id."""
_BYTES = frozenset(f"<0x{byte:02X}>" for byte in range(256))


@dataclass(frozen=True)
class BpeVocabulary:
    """The tokens and merges of a tokenizer, and which of its tokens no text can do without.

    Attributes:
        content: the content of its ``tokenizer.json``.
    """

    content: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the tokenizer of a model's folder.

        Raises:
            VocabularyError: the model has no such tokenizer, or one that could not write every
                text without the tokens that go.
        """
        if not (folder / FILE).is_file():
            remedy = "Save its tokenizer with save_pretrained, which writes one."
            raise VocabularyError(f"the model has no {FILE}", remedy)
        vocabulary = cls(json.loads((folder / FILE).read_text("utf-8")))
        kind = vocabulary.model.get("type")
        if kind != "BPE":
            raise _unfit(f"its {FILE} is of the kind {kind}, which has no merges")
        if not vocabulary.is_byte_level and not vocabulary.model.get("byte_fallback"):
            raise _unfit("its tokens stand for letters, and no byte stands for a lost one")
        return vocabulary

    @property
    def model(self) -> Mapping[str, Any]:
        model: Mapping[str, Any] = self.content["model"]
        return model

    @property
    def tokens(self) -> Mapping[str, int]:
        """The ids of the tokens that text is split into, without added ones."""
        tokens: Mapping[str, int] = self.model["vocab"]
        return tokens

    @property
    def added(self) -> list[Mapping[str, Any]]:
        """The tokens that are found before text is split, such as special ones."""
        return list(self.content.get("added_tokens") or ())

    @property
    def is_byte_level(self) -> bool:
        """Whether a letter of a token stands for a byte of text."""
        parts = (self.content.get(name) for name in ("pre_tokenizer", "decoder"))
        return any(kind == "ByteLevel" for part in parts for kind in _kinds(part))

    @cached_property
    def ids(self) -> frozenset[int]:
        """All ids that the tokenizer can return."""
        return frozenset(self.tokens.values()) | {token["id"] for token in self.added}

    @cached_property
    def fixed(self) -> frozenset[int]:
        """The ids of the tokens that stay whatever a text uses: bytes, unknown and added ones."""
        unknown, padding = self.model.get("unk_token"), self.content.get("padding")
        kept = {token["id"] for token in self.added}
        kept.update(_appended(self.content.get("post_processor")))
        if padding:
            kept.add(padding["pad_id"])
        for token, number in self.tokens.items():
            is_byte = token in _BYTES or (self.is_byte_level and len(token) == 1)
            if is_byte or token == unknown:
                kept.add(number)
        return frozenset(kept)

    @cached_property
    def merges(self) -> list[tuple[str, str]]:
        """The pairs of tokens that are merged, those that are merged first at the beginning."""
        pairs = (pair.split(" ", 1) if isinstance(pair, str) else pair for pair in self._stored)
        return [(left, right) for left, right in pairs]

    @cached_property
    def parents(self) -> Mapping[int, frozenset[int]]:
        """The ids of the tokens that a token is merged from, in any way, by its id."""
        found: dict[int, set[int]] = {}
        tokens = self.tokens
        for left, right in self.merges:
            whole = tokens.get(left + right)
            if whole is not None and left in tokens and right in tokens:
                found.setdefault(whole, set()).update((tokens[left], tokens[right]))
        return {whole: frozenset(parts) for whole, parts in found.items()}

    def with_parents(self, ids: Iterable[int], known: Set[int] = frozenset()) -> set[int]:
        """Return ids with those of all tokens that they are merged from, except known ones."""
        waiting, missing = list(ids), set[int]()
        while waiting:
            token = waiting.pop()
            if token not in known and token not in missing:
                missing.add(token)
                waiting += self.parents.get(token, ())
        return missing

    def cut(self, numbers: Mapping[int, int]) -> dict[str, Any]:
        """Return the content of a ``tokenizer.json`` with fewer tokens.

        Merges whose tokens all stay keep their order, so that text is split as before if none of
        its tokens is lost.

        Args:
            numbers: the new id of each token that stays, by its old one.
        """
        tokens = {token: numbers[old] for token, old in self.tokens.items() if old in numbers}
        pairs = zip(self._stored, self.merges, strict=True)
        merges = [
            stored
            for stored, (left, right) in pairs
            if left in tokens and right in tokens and left + right in tokens
        ]
        ordered = dict(sorted(tokens.items(), key=lambda item: item[1]))
        content = dict(self.content) | {
            "model": dict(self.model) | {"vocab": ordered, "merges": merges},
            "added_tokens": [dict(token) | {"id": numbers[token["id"]]} for token in self.added],
        }
        if padding := content.get("padding"):
            content["padding"] = padding | {"pad_id": numbers[padding["pad_id"]]}
        content["post_processor"] = _renumbered(content.get("post_processor"), numbers)
        return content

    @property
    def _stored(self) -> list[Any]:
        return list(self.model.get("merges") or ())


def _kinds(part: Any) -> Iterator[str]:
    """Yield the types of a part of a tokenizer and of the parts in it."""
    for nested in part if isinstance(part, list) else ():
        yield from _kinds(nested)
    for name, value in part.items() if isinstance(part, dict) else ():
        if name == "type":
            yield value
        yield from _kinds(value)


def _appended(part: Any) -> Iterator[int]:
    """Yield the ids of the tokens that a post-processor adds."""
    for nested in part if isinstance(part, list) else ():
        yield from _appended(nested)
    for name, value in part.items() if isinstance(part, dict) else ():
        if name == "ids":
            yield from value
        elif name in _PAIRS:
            yield value[1]
        else:
            yield from _appended(value)


def _renumbered(part: Any, numbers: Mapping[int, int]) -> Any:
    """Return a post-processor that adds tokens under their new ids."""
    if isinstance(part, list):
        return [_renumbered(nested, numbers) for nested in part]
    if not isinstance(part, dict):
        return part
    result = {}
    for name, value in part.items():
        if name == "ids":
            result[name] = [numbers[old] for old in value]
        elif name in _PAIRS:
            result[name] = [value[0], numbers[value[1]]]
        else:
            result[name] = _renumbered(value, numbers)
    return result


def _unfit(reason: str) -> VocabularyError:
    wanted = "the model needs byte pair encoding that can write every byte"
    return VocabularyError(f"{wanted}, and {reason}", _REMEDY)
