"""The token ids in the JSON files of a model, such as those of its special tokens."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_FIELD = re.compile(
    r".*_token_ids?|.*_token_index|(begin_)?suppress_tokens|(bad|force)_words_ids|forced_decoder_ids"
)


def named_ids(content: Any) -> Iterator[int]:
    """Yield the token ids in the content of a config or a generation config."""
    for value in _id_fields(content):
        yield from _numbers(value)


def renumbered(content: Any, numbers: Mapping[int, int]) -> Any:
    """Return a content with the new ids of tokens; an id of no token stays as it is."""
    if isinstance(content, list):
        return [renumbered(part, numbers) for part in content]
    if not isinstance(content, dict):
        return content
    return {
        name: _replaced(value, numbers) if _is_id_field(name) else renumbered(value, numbers)
        for name, value in content.items()
    }


def _id_fields(content: Any) -> Iterator[Any]:
    for part in content if isinstance(content, list) else ():
        yield from _id_fields(part)
    for name, value in content.items() if isinstance(content, dict) else ():
        if _is_id_field(name):
            yield value
        else:
            yield from _id_fields(value)


def _is_id_field(name: str) -> bool:
    return _FIELD.fullmatch(name) is not None


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, list):
        for part in value:
            yield from _numbers(part)
    elif type(value) is int:
        yield value


def _replaced(value: Any, numbers: Mapping[int, int]) -> Any:
    if isinstance(value, list):
        return [_replaced(part, numbers) for part in value]
    return numbers.get(value, value) if type(value) is int else value
