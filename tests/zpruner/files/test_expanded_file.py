"""A damaged compact file is refused with a reason, whatever its header says."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.zpruner.files.safetensors_files import random_content, write_safetensors
from zpruner.files.compact_file import CompactFile
from zpruner.files.errors import FilesError
from zpruner.files.expanded_file import ExpandedFile

Change = Callable[[dict[str, Any], bytearray], object]


@pytest.fixture
def compact(tmp_path: Path) -> Path:
    """A file with one tensor that has zeros, and one that has none."""
    tensors = {"a": random_content("F16", (9, 9), 0.5), "b": random_content("F16", (4,), 0.0)}
    write_safetensors(tmp_path / "a.safetensors", tensors)
    path = tmp_path / "a.compact.safetensors"
    path.write_bytes(b"".join(CompactFile.at(tmp_path / "a.safetensors")))
    return path


def changed(path: Path, change: Change) -> None:
    """Change the header and the data of a file."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8 : 8 + length]), bytearray(content[8 + length :])
    change(header, data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def place(header: dict[str, Any], name: str) -> slice:
    return slice(*header[name]["data_offsets"])


def rename(old: str, new: str) -> Change:
    return lambda header, _: header.__setitem__(new, header.pop(old))


def more_kept(header: dict[str, Any], data: bytearray) -> None:
    data[place(header, "mask:a")] = b"\xff" * 10 + b"\x01"


def fewer_kept(header: dict[str, Any], data: bytearray) -> None:
    data[place(header, "mask:a")] = bytes(11)


def bit_after_the_end(header: dict[str, Any], data: bytearray) -> None:
    data[place(header, "mask:a").stop - 1] |= 0x80


def larger_original(header: dict[str, Any], data: bytearray) -> None:
    where = place(header, "header")
    data[where] = bytes(data[where]).replace(b"[9, 9]", b"[9,99]")


def shorter_header(header: dict[str, Any], data: bytearray) -> None:
    data[place(header, "header").start] ^= 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (more_kept, "a mask for tensor 'a' that does not fit its values"),
        (fewer_kept, "a mask for tensor 'a' that does not fit its values"),
        (bit_after_the_end, "a mask for tensor 'a' that does not fit its values"),
        (larger_original, "a size for tensor 'a' that does not fit its shape"),
        (shorter_header, "a header of another length than it claims"),
        (rename("mask:a", "mask:c"), "does not hold tensor 'a' as its header says"),
        (rename("values:a", "values:c"), "does not hold tensor 'a' as its header says"),
        (rename("whole:b", "whole:c"), "does not hold tensor 'b' as its header says"),
        (rename("header", "head"), "lacks the header of its original"),
        (lambda header, _: header.pop("__metadata__"), "is not compact"),
        (lambda header, _: header["__metadata__"].pop("sha256"), "lacks the sha256"),
        (lambda header, _: header["__metadata__"].update(version="2"), "install a newer one"),
        (lambda header, _: header["whole:b"].update(dtype="BF16"), "does not hold tensor 'b'"),
        (lambda header, _: header["values:a"].update(dtype="I16"), "does not hold tensor 'a'"),
        (
            lambda header, data: header.update(
                extra={"dtype": "U8", "shape": [0], "data_offsets": [len(data)] * 2}
            ),
            "holds 'extra', which belongs to no tensor",
        ),
    ],
)
def test_a_changed_file_is_refused(compact: Path, change: Change, reason: str) -> None:
    changed(compact, change)
    with pytest.raises(FilesError) as caught:
        b"".join(ExpandedFile(compact))
    assert reason in str(caught.value)
    assert "a.compact.safetensors" in str(caught.value)


def test_a_truncated_file_is_refused_before_it_is_expanded(compact: Path) -> None:
    content = compact.read_bytes()
    for length in (0, 7, 30, len(content) - 1):
        compact.write_bytes(content[:length])
        with pytest.raises(FilesError, match=r"get a complete copy"):
            ExpandedFile(compact)


def test_a_file_that_is_truncated_while_it_is_read_is_refused(compact: Path) -> None:
    expanded = ExpandedFile(compact)
    compact.write_bytes(compact.read_bytes()[:-20])
    with pytest.raises(FilesError, match="was truncated while it was read"):
        b"".join(expanded)
