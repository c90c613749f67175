"""Ids: a prefix for the kind of object and a UUIDv7, so that ids sort by creation time."""

from typing import Literal

import uuid_utils

Prefix = Literal["job", "art", "key", "aud", "swp", "est", "wrk", "whk", "msg", "trg", "tdl", "dat"]


def new_id(prefix: Prefix) -> str:
    """Return a new id, such as ``job_0192…``."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"


def id_pattern(prefix: Prefix) -> str:
    """Return a regular expression for ids with this prefix, to be used with `re.fullmatch`."""
    return rf"{prefix}_[0-9a-f]{{32}}"
