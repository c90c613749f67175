"""A compact file expands to the same bytes; a damaged one is refused, whatever its header says."""

import json
import struct
import tracemalloc
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zpruner.files.compact_files import write_compact
from tests.zpruner.files.safetensors_files import Content, random_content, write_safetensors
from zpruner.files.errors import FilesError
from zpruner.files.expanded_file import ExpandedFile
from zpruner.files.header import BITS

RELEASED = Path(__file__).parent / "data" / "0.2.0.compact.safetensors"
RELEASED_SHA256 = "aa19d65260e37306f8f48614a5d59022a24be72d83e32b3c1cd26e5bc39cca6e"
SHAPES = st.lists(st.sampled_from((0, 1, 3, 7)), max_size=2).map(tuple) | st.just(())
Change = Callable[[dict[str, Any], bytearray], object]


@pytest.fixture
def compact(tmp_path: Path) -> Path:
    """A file with one tensor that has zeros, and one that has none."""
    tensors = {"a": random_content("F16", (9, 9), 0.5), "b": random_content("F16", (4,), 0.0)}
    path = tmp_path / "a.compact.safetensors"
    write_compact(path, write_safetensors(tmp_path / "a.safetensors", tensors))
    return path


def contents() -> st.SearchStrategy[Content]:
    """Tensors of all dtypes; where several numbers share a byte, they fill whole bytes."""
    return st.builds(
        lambda dtype, shape, zeros, seed: random_content(
            dtype, (*shape, 4) if BITS[dtype] < 8 else shape, zeros, seed
        ),
        st.sampled_from(sorted(BITS)),
        SHAPES,
        st.sampled_from((0.0, 0.5, 0.9, 1.0)),
        st.integers(0, 2**32),
    )


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


def test_a_file_that_release_0_2_0_wrote_expands_to_its_original() -> None:
    expanded = ExpandedFile(RELEASED)
    assert sha256(b"".join(expanded)).hexdigest() == expanded.sha256 == RELEASED_SHA256


@settings(max_examples=100, deadline=None)
@given(
    tensors=st.dictionaries(st.text(max_size=9), contents(), max_size=5),
    metadata=st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
    padding=st.integers(0, 9),
)
def test_a_file_of_any_dtypes_expands_to_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    tensors: dict[str, Content],
    metadata: dict[str, str] | None,
    padding: int,
) -> None:
    tensors.pop("__metadata__", None)
    folder = tmp_path_factory.mktemp("compact")
    content = write_safetensors(folder / "plain", tensors, metadata, padding)
    write_compact(folder / "compact", content)

    expanded = ExpandedFile(folder / "compact")

    assert b"".join(expanded) == content
    assert expanded.size_bytes == len(content)
    assert expanded.sha256 == sha256(content).hexdigest()


def test_minus_zero_and_the_bits_of_nan_are_kept(tmp_path: Path) -> None:
    numbers = bytes.fromhex("0080 0000 c07f c1ff 0000 0000 0000 0000")
    plain = write_safetensors(tmp_path / "plain", {"a": Content("BF16", (8,), numbers)})
    write_compact(tmp_path / "compact", plain)
    assert b"".join(ExpandedFile(tmp_path / "compact")).endswith(numbers)


def test_a_file_larger_than_a_piece_is_expanded_in_pieces_of_bounded_memory(tmp_path: Path) -> None:
    size = 24 << 20
    data = bytes(size - 40) + b"kept across the border of two pieces...."
    plain = write_safetensors(tmp_path / "plain", {"a": Content("F16", (size // 2,), data)})
    write_compact(tmp_path / "compact", plain)
    found = sha256()

    tracemalloc.start()
    try:
        for piece in ExpandedFile(tmp_path / "compact"):
            found.update(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found.hexdigest() == sha256(plain).hexdigest()
    assert peak < 12 << 20


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
