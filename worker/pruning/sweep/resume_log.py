"""The log from which a run resumes: its fingerprint, then a line for each result on the disk."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from worker.pruning.base.durable_files import move_into_place

Record = dict[str, Any]


class ResumeLog:
    """An append-only file of JSON lines, each with a checksum.

    A process may be killed while it writes a line, so reading ends before the first damaged line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Record]:
        """Return the records up to the first damaged line; none if there is no file."""
        if not self.path.is_file():
            return []
        return list(_intact(self.path.read_bytes().splitlines(keepends=True)))

    def append(self, record: Record) -> None:
        """Append a record, and return when it is on the disk."""
        with self.path.open("ab") as file:
            file.write(_line(record))
            file.flush()
            os.fsync(file.fileno())

    def rewrite(self, records: Iterable[Record]) -> None:
        """Replace the file atomically by a file with these records."""
        self.path.parent.mkdir(exist_ok=True)
        written = self.path.with_suffix(".new")
        written.write_bytes(b"".join(map(_line, records)))
        move_into_place(written, self.path)


def _line(record: Record) -> bytes:
    text = json.dumps(record, sort_keys=True)
    return json.dumps({"sha256": _checksum(text), "record": text}).encode() + b"\n"


def _intact(lines: Iterable[bytes]) -> Iterator[Record]:
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
