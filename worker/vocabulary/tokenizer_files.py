"""Writing the files of a tokenizer with fewer tokens."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.vocabulary import bpe
from worker.vocabulary.bpe import BpeVocabulary
from worker.vocabulary.pieces import piece_texts, with_pieces

PIECES = "tokenizer.model"
_SETTINGS = "tokenizer_config.json"
_TOKENS, _MERGES, _ADDED = "vocab.json", "merges.txt", "added_tokens.json"
_OTHERS = ("vocab.txt", "spiece.model", "sentencepiece.bpe.model", "tekken.json")
"""Files of other kinds of tokenizers, which would still have all tokens."""


def write_tokenizer(
    source: Path, out: Path, vocabulary: BpeVocabulary, numbers: Mapping[int, int]
) -> list[str]:
    """Write the files of a tokenizer that differ from those of the model.

    Args:
        source: the model's folder.
        out: the folder to write to.
        vocabulary: the tokens of the model.
        numbers: the new id of each token that stays, by its old one.

    Returns:
        The names of the files that were written, and of those that must not be copied.
    """
    cut = vocabulary.cut(numbers)
    files: dict[str, str | bytes | None] = {bpe.FILE: _json(cut)}
    if settings := _read(source / _SETTINGS):
        if named := settings.get("added_tokens_decoder"):
            renumbered = {str(numbers[int(old)]): token for old, token in named.items()}
            settings["added_tokens_decoder"] = renumbered
        files[_SETTINGS] = _json(settings)
    if added := _read(source / _ADDED):
        files[_ADDED] = _json({token: numbers[old] for token, old in added.items()})
    model = cut["model"]
    pairs = BpeVocabulary(cut).merges
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in pairs)]
    files[_TOKENS], files[_MERGES] = _json(model["vocab"]), "\n".join(lines) + "\n"
    files[PIECES] = _pieces(source / PIECES, vocabulary, numbers)
    present = {name: content for name, content in files.items() if (source / name).is_file()}
    for name, content in present.items():
        if content is not None:
            data = content if isinstance(content, bytes) else content.encode()
            (out / name).write_bytes(data)
    unread = [file.name for file in source.glob("*.tiktoken")]
    return [*present, *_OTHERS, *unread]


def _pieces(file: Path, vocabulary: BpeVocabulary, numbers: Mapping[int, int]) -> bytes | None:
    """Return a SentencePiece model with the tokens that stay.

    It is None if the file is of another kind, such as that of tiktoken, or has other tokens than
    the ``tokenizer.json``, which transformers prefers.
    """
    if not file.is_file():
        return None
    model = file.read_bytes()
    try:
        texts = piece_texts(model)
    except ValueError:
        return None
    added = {token["content"]: token["id"] for token in vocabulary.added}
    ids = dict(vocabulary.tokens) | added
    if any(ids.get(text) != number for number, text in enumerate(texts)):
        return None
    return with_pieces(model, [old for old in sorted(numbers) if old < len(texts)])


def _read(file: Path) -> dict[str, Any] | None:
    content: dict[str, Any] | None = json.loads(file.read_text("utf-8")) if file.is_file() else None
    return content


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"
