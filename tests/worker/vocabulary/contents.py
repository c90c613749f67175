"""The content of a tiny ``tokenizer.json``."""

from typing import Any


def content(**model: Any) -> dict[str, Any]:
    """The content of a tokenizer in which ``abc`` is merged in two ways."""
    letters = {"a": 0, "b": 1, "c": 2, "<0x0A>": 3, "<unk>": 4}
    words = {"ab": 5, "bc": 6, "abc": 7, "cc": 8}
    merges = ["a b", "b c", "ab c", "a bc", "c c"]
    bpe = {"type": "BPE", "vocab": letters | words, "merges": merges, "byte_fallback": True}
    added = [{"id": 9, "content": "<end>", "special": True}]
    return {"model": bpe | {"unk_token": "<unk>"} | model, "added_tokens": added}
