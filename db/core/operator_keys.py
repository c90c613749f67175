"""The operator's keys, which a job's process keeps in memory and not in its environment.

A process passes its environment to all of its children, and the system shows it in
``/proc/PID/environ``. A job's process calls `take` when it starts. After that, code that needs a
key gets it here and passes it on as an argument. In a process that never calls `take`, the
libraries read their variables as usual, and this module knows no keys.
"""

import ctypes
import os
import sys
from collections.abc import Collection

from db.core import redaction

KEY_ID, SECRET_KEY, SESSION_TOKEN = BUCKET_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
HUB_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
NO_IMPLICIT_TOKEN = "HF_HUB_DISABLE_IMPLICIT_TOKEN"  # noqa: S105 - the name of a variable
READ_ONCE = (
    "ZPRUNER_API_KEY",
    "ZPRUNER_BROKER_URL",
    "ZPRUNER_DATABASE_URL",
    "ZPRUNER_SECRETS_KEY",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
)
"""Variables with a key or a password that a process reads only while it starts."""
NAMES = frozenset((*BUCKET_KEYS, *HUB_TOKENS, *READ_ONCE))
_kept: dict[str, str] = {}


def take() -> None:
    """Remove the operator's keys from this process's environment, and keep those it still needs.

    Settings and tracing have to be read before.
    """
    _overwrite(NAMES)
    for name in NAMES:
        value = os.environ.pop(name, "").strip()
        if value and name not in READ_ONCE:
            _kept[name] = value
        if value and name in HUB_TOKENS:  # those of buckets are registered where they are used
            redaction.register(value)


def bucket_key(name: str) -> str | None:
    """Return the value of one of `BUCKET_KEYS`: kept, or of the environment; None without one."""
    return _kept.get(name) or os.environ.get(name) or None


def kept_bucket_keys() -> dict[str, str]:
    """Return the variables of buckets that are no longer in the environment."""
    return {name: _kept[name] for name in BUCKET_KEYS if name in _kept}


def kept_hub_token() -> str | None:
    """Return the hub's token that is no longer in the environment.

    It is None if there is none, or if the operator has chosen that the hub's client sends only the
    tokens that it is given for a request.
    """
    if os.environ.get(NO_IMPLICIT_TOKEN, "").upper() in {"1", "ON", "YES", "TRUE"}:
        return None
    return next((_kept[name] for name in HUB_TOKENS if name in _kept), None)


def environment_without_keys() -> dict[str, str]:
    """Return the environment for a child process that needs no keys."""
    return {name: value for name, value in os.environ.items() if name not in NAMES}


def _overwrite(names: Collection[str]) -> None:
    """Overwrite the values in the memory that ``/proc/PID/environ`` shows.

    Removing a variable leaves its text there.
    """
    if sys.platform != "linux":
        return
    entries = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
    index = 0
    while address := entries[index]:
        name, _, value = ctypes.string_at(address).partition(b"=")
        if os.fsdecode(name) in names:
            ctypes.memset(address + len(name) + 1, ord("*"), len(value))
        index += 1
