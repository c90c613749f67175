"""A compact folder expands to the files that it was made from, whole or not at all."""

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.zpruner.files.compact_files import write_compact
from tests.zpruner.files.safetensors_files import random_content, write_safetensors
from zpruner.files.errors import FilesError
from zpruner.files.folder import expand_folder

FIRST, SECOND = "model-1-of-2.safetensors", "nested/model-2-of-2.safetensors"
COMPACT = "model-1-of-2.compact.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a job, with its checksums."""
    folder = tmp_path / "pruned"
    (folder / "nested").mkdir(parents=True)
    for seed, name in enumerate((FIRST, SECOND)):
        weights = random_content("BF16", (64, 32), 0.6, seed)
        write_safetensors(folder / name, {"weight": weights, "bias": random_content("F32", (), 0)})
    (folder / "config.json").write_text("{}")
    (folder / "empty.txt").touch()
    lines = [f"{digest(path)}  {name}\n" for name, path in files(folder).items()]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


@pytest.fixture
def compact(folder: Path, tmp_path: Path) -> Path:
    compact = tmp_path / "compact"
    shutil.copytree(folder, compact)
    for name in (FIRST, SECOND):
        (compact / name).unlink()
        small = compact / f"{name.removesuffix('.safetensors')}.compact.safetensors"
        write_compact(small, (folder / name).read_bytes())
    return compact


def files(folder: Path) -> dict[str, Path]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {name: path for name, path in found.items() if path.is_file()}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in files(folder).items()}


def size(folder: Path) -> int:
    return sum(map(len, contents(folder).values()))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def change_last_number(path: Path) -> None:
    """Change a kept number; nothing but a digest shows it."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def refused(folder: Path, out: Path) -> str:
    """Return why a folder is refused; nothing may be left of the output."""
    before = set(out.parent.iterdir())
    with pytest.raises(FilesError) as caught:
        expand_folder(folder, out)
    assert set(out.parent.iterdir()) == before
    return str(caught.value)


def test_an_expanded_folder_has_the_files_of_the_original(
    folder: Path, compact: Path, tmp_path: Path
) -> None:
    expand_folder(compact, tmp_path / "expanded")

    assert contents(tmp_path / "expanded") == contents(folder)
    others = {"config.json", "empty.txt", "SHA256SUMS"}
    assert files(compact).keys() == others | {COMPACT, "nested/model-2-of-2.compact.safetensors"}
    assert size(compact) < size(folder)


def test_the_progress_adds_up_to_the_size_of_the_source(compact: Path, tmp_path: Path) -> None:
    counts: list[float] = []
    expand_folder(compact, tmp_path / "expanded", counts.append)
    assert sum(counts) == pytest.approx(size(compact))


@pytest.mark.parametrize("name", ["zz.txt", "more"])
def test_a_compact_folder_with_links_is_not_expanded(
    compact: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file").write_text("private")
    target = tmp_path / "secret" if name == "more" else tmp_path / "secret" / "file"
    (compact / name).symlink_to(target)
    with pytest.raises(FilesError, match=f"{name} is"):
        expand_folder(compact, tmp_path / "expanded")
    assert not (tmp_path / "expanded").exists()


def test_a_folder_that_announces_more_than_the_disk_holds_is_refused_before_it_is_written(
    compact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expand_folder(compact, tmp_path / "expanded")
    needed = size(tmp_path / "expanded")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    with pytest.raises(FilesError, match=f"need {needed:,} bytes, and {needed - 1:,} are free"):
        expand_folder(compact, tmp_path / "again")
    assert [one.name for one in tmp_path.iterdir() if "again" in one.name] == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed))
    expand_folder(compact, tmp_path / "again")


def test_a_changed_number_is_found_by_the_digest_in_the_compact_file(
    compact: Path, tmp_path: Path
) -> None:
    (compact / "SHA256SUMS").unlink()
    change_last_number(compact / COMPACT)
    reason = refused(compact, tmp_path / "expanded")
    assert f"{COMPACT} expands to a file with the sha256" in reason


def test_a_file_that_differs_from_the_checksums_is_named(compact: Path, tmp_path: Path) -> None:
    (compact / "config.json").write_text("[]")
    reason = refused(compact, tmp_path / "expanded")
    assert reason.startswith("config.json has the sha256")


def test_a_missing_file_of_the_checksums_is_named(compact: Path, tmp_path: Path) -> None:
    (compact / COMPACT).unlink()
    reason = refused(compact, tmp_path / "expanded")
    assert f"{FIRST} is in SHA256SUMS, but not in the folder" in reason


def test_a_damaged_file_leaves_nothing_behind(compact: Path, tmp_path: Path) -> None:
    content = (compact / COMPACT).read_bytes()
    (compact / COMPACT).write_bytes(content[:-1])
    assert COMPACT in refused(compact, tmp_path / "out")


def test_an_existing_target_is_refused_and_stays_as_it_is(compact: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").touch()
    (tmp_path / "link").symlink_to(tmp_path / "lost")
    for target in (out, out / "mine", tmp_path / "link"):
        assert "exists; name a new folder" in refused(compact, target)
    assert "name a folder elsewhere" in refused(compact, compact / "inside")
    assert list(out.iterdir()) == [out / "mine"]


def test_folders_of_the_wrong_kind_are_refused(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "has no compact file" in refused(folder, out)
    assert "is no folder" in refused(tmp_path / "lost", out)
    (folder / "loop").symlink_to(folder)
    assert "neither a file nor a folder" in refused(folder, out)
