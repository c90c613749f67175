"""A PostgreSQL with its default settings, and what it uses of the machine."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil
import psycopg

from tests.db.postgres import admin, running_postgres

# It is filled with rows without waiting for the disk, and waits for it from then on.
CONNECTIONS = ("max_connections=150", "max_wal_size=8GB")
WHILE_FILLED = ("fsync", "full_page_writes", "synchronous_commit")
OPERATIONS = "reads, 0) + coalesce(writes, 0) + coalesce(extends, 0) + coalesce(fsyncs, 0"


@dataclass(frozen=True)
class Used:
    """What a server has used since its start.

    Attributes:
        cpu_s: the CPU time of all its processes, ended ones included.
        operations: how often it has asked the operating system to read, to write, to extend or to
            flush a file.
    """

    cpu_s: float
    operations: int

    def __sub__(self, earlier: "Used") -> "Used":
        return Used(self.cpu_s - earlier.cpu_s, self.operations - earlier.operations)


@dataclass(frozen=True)
class Database:
    """An empty database on a server of its own."""

    url: str
    server: psutil.Process
    connection: psycopg.Connection

    def used(self) -> Used:
        cpu = self.server.cpu_times()
        total = cpu.user + cpu.system + cpu.children_user + cpu.children_system
        for process in self.server.children():
            cpu = process.cpu_times()
            total += cpu.user + cpu.system
        return Used(total, self._scalar(f"SELECT sum(coalesce({OPERATIONS})) FROM pg_stat_io"))

    def size_bytes(self) -> int:
        return self._scalar("SELECT pg_database_size('scale')")

    def wait_for_disk(self) -> None:
        """Let each commit wait for the disk from now on, as by default."""
        self.connection.execute("ALTER SYSTEM RESET ALL")
        self.connection.execute("SELECT pg_reload_conf()")
        self.connection.execute("CHECKPOINT")
        os.sync()

    def _scalar(self, query: str) -> int:
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def running_database() -> Iterator[Database]:
    """Start a server that does not wait for its disk yet."""
    with ExitStack() as stack:
        folder = stack.enter_context(running_postgres(CONNECTIONS))
        connection = stack.enter_context(admin(folder))
        connection.execute("CREATE DATABASE scale")
        for name in WHILE_FILLED:
            connection.execute(f"ALTER SYSTEM SET {name} = off")
        connection.execute("SELECT pg_reload_conf()")
        server = psutil.Process(connection.info.backend_pid).parent()
        assert server is not None
        yield Database(f"postgresql+psycopg://postgres@/scale?host={folder}", server, connection)
