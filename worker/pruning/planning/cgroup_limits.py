"""The memory limits of the control groups that this process is in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED = 1 << 60  # bytes; version 1 writes "no limit" as a number above
_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class GroupLimit:
    """One group's limit and what it has used of it, without the page cache it could drop."""

    folder: Path
    limit_bytes: int
    used_bytes: int


def group_limits(membership: str, root: Path = _ROOT) -> Iterator[GroupLimit]:
    """Yield the limits that bind, of every group from the process's own up to the root.

    Args:
        membership: the content of ``/proc/self/cgroup``.
        root: where the groups are mounted; a container sees its own group there.
    """
    for line in membership.splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            yield from _climb(root, group, "memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
            yield from _climb(root / "memory", group, *files)


def _climb(mount: Path, group: str, limit: str, usage: str, prefix: str) -> Iterator[GroupLimit]:
    folder = mount / group.lstrip("/")
    for place in (folder, *folder.parents):
        if not place.is_relative_to(mount):
            return
        if not (place / limit).is_file():
            continue
        most = (place / limit).read_text().strip()
        if most != "max" and int(most) < _UNLIMITED:
            used = int((place / usage).read_text()) - _cached(place / "memory.stat", prefix)
            yield GroupLimit(place, int(most), max(0, used))


def _cached(statistics: Path, prefix: str) -> int:
    """Return the bytes of cached files, which the kernel drops before it refuses memory."""
    lines = (line.partition(" ") for line in statistics.read_text().splitlines())
    files = {f"{prefix}inactive_file", f"{prefix}active_file"}
    return sum(int(value) for name, _, value in lines if name in files)
