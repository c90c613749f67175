"""What a sweep has finished, line by line, on disk before the next step begins."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from worker.pruning.base.durable_files import move_into_place

Record = dict[str, Any]


class Journal:
    """An append-only file of JSON lines. Each carries a checksum of its own.

    A process may die while it writes a line; that line, and whatever follows a damaged one, was
    never written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Record]:
        """Return the records up to the first damaged line; none where there is no journal."""
        if not self.path.is_file():
            return []
        return list(_sound(self.path.read_bytes().splitlines(keepends=True)))

    def append(self, record: Record) -> None:
        """Add a record; when this returns, it is on the disk."""
        with self.path.open("ab") as file:
            file.write(_line(record))
            file.flush()
            os.fsync(file.fileno())

    def rewrite(self, records: Iterable[Record]) -> None:
        """Replace the journal in one step.

        It is a new file: what a process that ran before still has open is no longer this one.
        """
        self.path.parent.mkdir(exist_ok=True)
        written = self.path.with_suffix(".new")
        written.write_bytes(b"".join(map(_line, records)))
        move_into_place(written, self.path)


def _line(record: Record) -> bytes:
    text = json.dumps(record, sort_keys=True)
    return json.dumps({"sha256": _checksum(text), "record": text}).encode() + b"\n"


def _sound(lines: Iterable[bytes]) -> Iterator[Record]:
    for line in lines:
        try:
            entry = json.loads(line)
            text, claimed = entry["record"], entry["sha256"]
        except (ValueError, KeyError, TypeError):
            return
        if not line.endswith(b"\n") or _checksum(text) != claimed:
            return
        yield json.loads(text)


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
