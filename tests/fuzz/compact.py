"""Malformed compact files."""

import json
import struct
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.damage import damaged_bytes, damaged_json, encoded
from tests.fuzz.models import WHOLE, header
from tests.zpruner.files.compact_files import write_compact
from tests.zpruner.files.safetensors_files import random_content, write_safetensors
from zpruner.files.errors import FilesError
from zpruner.files.folder import expand_folder

NAME = "model.compact.safetensors"
REFUSED = "damaged"
"""The outcome of a compact file that is refused; no job reads one, so no problem has this code."""
_LONGEST_TEXT = 1_000


def any_header(random: Random, compact: bytes) -> bytes:
    """Damage the length or the header of the compact file."""
    made = header(random, {WHOLE: compact})[WHOLE]
    assert isinstance(made, bytes)
    return made


def original_header(random: Random, compact: bytes) -> bytes:
    """Damage the header of the original, with offsets that fit its new length."""
    entries, parts = _parts(compact)
    raw = parts["header"]
    match random.randrange(3):
        case 0:
            raw = damaged_bytes(random, raw)
        case 1:
            made = encoded(random, damaged_json(random, json.loads(raw[8:])))
            raw = struct.pack("<Q", len(made)) + made
        case _:
            made = any_header(random, raw + bytes(sum(map(len, parts.values()))))
            raw = made[: len(raw)]
    return _joined(entries, parts | {"header": raw})


def data(random: Random, compact: bytes) -> bytes:
    """Damage masks and values, or any bytes."""
    entries, parts = _parts(compact)
    if random.random() < 0.3:
        return damaged_bytes(random, compact)
    name = random.choice([one for one in parts if one.startswith(("mask:", "values:"))])
    changed = damaged_bytes(random, parts[name])
    if random.random() < 0.5:  # of the same length: only what is counted shows it
        changed = changed[: len(parts[name])].ljust(len(parts[name]), b"\xff")
    return _joined(entries, parts | {name: changed})


COMPACT_KINDS: Mapping[str, Callable[[Random, bytes], bytes]] = {
    "compact header": any_header,
    "compact original": original_header,
    "compact data": data,
}


def compact_sample(folder: Path) -> bytes:
    """Return a compact file with tensors of several dtypes."""
    dtypes = ("BF16", "F32", "F8_E4M3", "I64", "F4", "BOOL")
    tensors = {one: random_content(one, (16, 24), 0.6) for one in dtypes}
    tensors |= {
        "dense": random_content("F16", (16, 8), 0.0),
        "zeros": random_content("F16", (9,), 1.0),
    }
    content = write_safetensors(folder / "sample", tensors, {"format": "pt"})
    return write_compact(folder / "sample", content)


def expansion(
    kind: str, random: Random, compact: bytes, folder: Path
) -> tuple[str | None, list[str]]:
    """Expand a damaged file; return the outcome, and everything that must not have happened."""
    small, out = folder / "small", folder / "out"
    small.mkdir(parents=True)
    (small / NAME).write_bytes(COMPACT_KINDS[kind](random, compact))
    try:
        expand_folder(small, out)
    except FilesError as error:
        return REFUSED, _unclear(str(error)) + _left(folder, {"small"})
    entries, _ = _parts(compact)
    written = sha256((out / WHOLE).read_bytes()).hexdigest()
    is_right = written == entries["__metadata__"]["sha256"]
    return None, [] if is_right else ["a damaged file was expanded to another original"]


def _unclear(text: str) -> list[str]:
    is_clear = NAME in text and ": " in text.replace("; ", ": ") and len(text) < _LONGEST_TEXT
    return [] if is_clear else [f"no file or no remedy, or too long: {text[:300]}"]


def _left(folder: Path, expected: set[str]) -> list[str]:
    left = {path.name for path in folder.iterdir()} - expected
    return [f"left {sorted(left)} behind"] if left else []


def _parts(compact: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return a file's header, and the bytes of its tensors by name."""
    (length,) = struct.unpack("<Q", compact[:8])
    entries, body = json.loads(compact[8 : 8 + length]), compact[8 + length :]
    names = [name for name in entries if name != "__metadata__"]
    return entries, {name: body[slice(*entries[name]["data_offsets"])] for name in names}


def _joined(entries: dict[str, Any], parts: Mapping[str, bytes]) -> bytes:
    """Return a file with these tensors; those of U8 have the shapes of their new lengths."""
    reached = 0
    for name, content in parts.items():
        entry = entries[name]
        entry["data_offsets"] = [reached, reached := reached + len(content)]
        if entry["dtype"] == "U8":
            entry["shape"] = [len(content)]
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(parts.values())
