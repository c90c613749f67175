"""JSON in the files of models, parsed as strictly as by the strictest of its later readers."""

import json
from typing import Any

MAX_VALUES = 1_000_000
"""Parsed, a value takes some 64 bytes, even if it is as short as ``[]``."""
MAX_DEPTH = 64
"""Far below the depth at which a recursive function fails."""


def parse_json(content: bytes) -> Any:
    """Parse JSON in UTF-8 without a byte order mark.

    Raises:
        ValueError: it is not JSON, has a key twice in an object, is nested deeper than `MAX_DEPTH`,
            or has more than about `MAX_VALUES` values.
    """
    if sum(content.count(mark) for mark in (b",", b"[", b"{")) > MAX_VALUES:
        raise ValueError("too many values")
    try:
        value = json.loads(content.decode("utf-8"), object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ValueError("too deep") from None
    _check_depth(value)
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Reject duplicate keys, because two readers could choose different values."""
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("duplicate key")
    return entries


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [part for owner in level for part in _parts(owner)]
        if not level:
            return
    raise ValueError("too deep")


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
