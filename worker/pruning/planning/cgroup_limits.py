"""The memory limits of this process's control groups."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED = 1 << 60  # bytes; cgroup version 1 reports "no limit" as a larger number
_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class GroupLimit:
    """A control group's memory limit, and its memory use without the page cache, in bytes."""

    folder: Path
    limit_bytes: int
    used_bytes: int


def group_limits(membership: str, root: Path = _ROOT) -> Iterator[GroupLimit]:
    """Yield the memory limits that the process's control group and the groups above it have.

    Args:
        membership: the content of ``/proc/self/cgroup``.
        root: the folder at which the control groups are mounted; in a container, often the
            container's own group.
    """
    for line in membership.splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            yield from _group_and_ancestors(root, group, "memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
            yield from _group_and_ancestors(root / "memory", group, *files)


def _group_and_ancestors(
    mount: Path, group: str, limit: str, usage: str, prefix: str
) -> Iterator[GroupLimit]:
    folder = mount / group.lstrip("/")
    for ancestor in (folder, *folder.parents):
        if not ancestor.is_relative_to(mount):
            return
        if not (ancestor / limit).is_file():
            continue
        maximum = (ancestor / limit).read_text().strip()
        if maximum != "max" and int(maximum) < _UNLIMITED:
            used = int((ancestor / usage).read_text()) - _page_cache_bytes(
                ancestor / "memory.stat", prefix
            )
            yield GroupLimit(ancestor, int(maximum), max(0, used))


def _page_cache_bytes(statistics: Path, prefix: str) -> int:
    """Return the bytes of cached files, which the kernel drops before it denies memory."""
    lines = (line.partition(" ") for line in statistics.read_text().splitlines())
    files = {f"{prefix}inactive_file", f"{prefix}active_file"}
    return sum(int(value) for name, _, value in lines if name in files)
