"""Damage to bytes and to JSON values, chosen by a seeded generator."""

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from random import Random
from typing import Any

OUTSIDE = "../../../outside"
"""A relative path out of a job's folders, to files that no job may read."""


_DEEP = re.compile(r'"nested ([0-9]+)"')
"""Stands for lists in lists, which neither `deepcopy` nor `json.dumps` can make as deep."""


ODD: Sequence[Any] = (
    *(None, True, False, [], {}, "", " ", "\0", "\ud800", "٣", "x" * 5_000),
    *(-1, 0, 1, 2, 7, 1000, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**30, 10**400),
    *(0.5, -0.0, 1e308, float("nan"), float("inf"), float("-inf")),
    *([[]], [{}], {"": {}}, [None] * 50, [1, "2"]),
    *("nested 60", "nested 480", "nested 960", "nested 100000"),
    *(f"{OUTSIDE}/secret", "/etc/passwd", "__import__('os').system('true')", "{{ 7 * 7 }}"),
)


def damaged_bytes(random: Random, data: bytes) -> bytes:
    """Return the data with a few bytes changed, moved, added or removed."""
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at = random.randrange(len(content) + 1)
        until = min(len(content), at + random.choice((1, 2, 8, 64, 1000)))
        match random.randrange(6):
            case 0:
                del content[at:until]
            case 1:
                content[at:at] = random.randbytes(random.choice((1, 8, 300)))
            case 2:
                content[at:until] = bytes(until - at)
            case 3:
                content[at:at] = content[at:until] * random.choice((1, 3))
            case 4:
                del content[at:]
            case _ if content:
                content[min(at, len(content) - 1)] ^= 1 << random.randrange(8)
    return bytes(content)


def damaged_json(random: Random, value: Any, odd: Sequence[Any] = ODD) -> Any:
    """Return the value with one to three of its parts replaced, removed, renamed or repeated."""
    made = deepcopy(value)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = list(_places(made))
        if not places:
            return random.choice(odd)
        owner, key = random.choice(places)
        match random.randrange(8):
            case 0:
                del owner[key]
            case 1 if isinstance(owner, dict):
                owner[random.choice((*owner, "x" * 300, "", "\ud800", "../x"))] = owner.pop(key)
            case 2:
                owner[key] = [owner[key]] * random.choice((1, 2, 40))
            case 3:
                owner[key] = {str(owner[key])[:80]: owner[key]}
            case _:
                owner[key] = deepcopy(random.choice(odd))
    return made


def encoded(random: Random, value: Any) -> bytes:
    """Return the value as JSON; sometimes in another encoding, or with keys or ends repeated."""
    text = _DEEP.sub(lambda found: "[" * int(found[1]) + "]" * int(found[1]), json.dumps(value))
    match random.randrange(24):
        case 0:
            return text.encode(random.choice(("utf-16", "utf-32", "utf-16-le", "utf-8-sig")))
        case 1:
            return text.encode() + random.choice((b" ", b"\n{}", b"]", b"\0", b"\xff"))
        case 2 if text.startswith("{"):
            return b'{"a": 1, "a": 2, ' + text[1:].encode()
        case 3:
            return damaged_bytes(random, text.encode())
        case 4:
            return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return text.encode()


def _places(value: Any) -> Any:
    """Yield the owner and the key or index of each nested value."""
    waiting = [value]
    while waiting:
        owner = waiting.pop()
        keys = list(owner) if isinstance(owner, dict) else range(min(len(owner), 200))
        for key in keys:
            yield owner, key
            if isinstance(owner[key], dict | list) and len(waiting) < 1000:
                waiting.append(owner[key])
