"""Memory limits are read from control groups of both versions."""

from pathlib import Path

from worker.pruning.planning.cgroup_limits import GroupLimit, group_limits

MB = 1 << 20


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_limits_of_all_parent_groups_are_read_and_cached_files_are_not_counted(
    tmp_path: Path,
) -> None:
    cached = f"anon 5\ninactive_file {30 * MB}\nactive_file {10 * MB}"
    write(tmp_path / "a", memory__max=900 * MB, memory__current=500 * MB, memory__stat=cached)
    write(tmp_path / "a" / "b", memory__max="max", memory__current=1, memory__stat="")
    limits = list(group_limits("0::/a/b\n", tmp_path))
    assert limits == [GroupLimit(tmp_path / "a", 900 * MB, 460 * MB)]


def test_in_a_container_the_root_is_its_own_group(tmp_path: Path) -> None:
    write(tmp_path, memory__max=900 * MB, memory__current=500 * MB, memory__stat="")
    limits = list(group_limits("0::/elsewhere/on/the/host\n", tmp_path))
    assert limits == [GroupLimit(tmp_path, 900 * MB, 500 * MB)]


def test_the_files_of_version_one_are_read(tmp_path: Path) -> None:
    write(
        tmp_path / "memory" / "a",
        memory__limit_in_bytes=900 * MB,
        memory__usage_in_bytes=500 * MB,
        memory__stat=f"inactive_file 1\ntotal_inactive_file {20 * MB}",
    )
    unlimited = 9223372036854771712
    write(tmp_path / "memory", memory__limit_in_bytes=unlimited, memory__usage_in_bytes=1)
    membership = "3:cpu:/\n4:memory:/a\n0::/\n"
    assert list(group_limits(membership, tmp_path)) == [
        GroupLimit(tmp_path / "memory" / "a", 900 * MB, 480 * MB)
    ]


def test_without_groups_there_are_no_limits(tmp_path: Path) -> None:
    assert list(group_limits("0::/\n", tmp_path)) == []
