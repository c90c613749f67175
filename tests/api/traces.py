"""Everything that a request could leave behind: rows, files and processes."""

from pathlib import Path
from typing import NamedTuple

import psutil
from sqlalchemy import func, select

from db.core.session import Sessions
from db.tables.base import Base


class Traces(NamedTuple):
    """How many rows there are by table, which files, and which child processes."""

    rows: dict[str, int]
    files: frozenset[str]
    processes: frozenset[int]


def traces(sessions: Sessions, folder: Path) -> Traces:
    """Read all tables, all files below a folder, and the children of this process.

    Their own children are left out: a service or a browser that other tests share starts some at
    any time.
    """
    with sessions() as session:
        rows = {
            table.name: session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
            if table.name != "audit"  # which notes every request
        }
    files = frozenset(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if not path.name.endswith(("-wal", "-shm"))  # SQLite's own
    )
    children = psutil.Process().children()
    return Traces(rows, files, frozenset(child.pid for child in children))


def is_unchanged(before: Traces, after: Traces) -> bool:
    """Whether nothing was added or deleted; a process of an earlier test may have ended."""
    return after[:2] == before[:2] and after.processes <= before.processes
