"""A header that is malformed or lies about its file is refused with the reason."""

import struct
from pathlib import Path
from typing import Any

import pytest

from tests.zpruner.files.safetensors_files import framed
from zpruner.files.errors import FilesError
from zpruner.files.header import MAX_HEADER_BYTES, Header


def entry(
    shape: Any = (2,), begin: Any = 0, end: Any = 4, dtype: Any = "F16", **more: Any
) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]} | more


def refused(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(FilesError) as caught:
        Header.of(path)
    assert "a.safetensors" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "ends before its header does"),
        (b"\x02\x00\x00", "ends before its header does"),
        (struct.pack("<Q", 1) + b"{", "ends before its header does"),
        (struct.pack("<Q", 40) + b"{}", "ends before its header does"),
        (struct.pack("<Q", MAX_HEADER_BYTES + 1), "claims a header of 25,000,001 bytes"),
        (struct.pack("<Q", 2**64 - 1) + b"{}", "claims a header of"),
        (struct.pack("<Q", 2) + b"{x", "a header that is not JSON"),
        (struct.pack("<Q", 2) + b"\xff\xff", "a header that is not JSON"),
        (framed([]), "not a JSON object"),
        (struct.pack("<Q", 90_000) + b"[" * 90_000, "a header that is not JSON"),
        (struct.pack("<Q", 1_000_002) + b"[" * 1_000_002, "more than 1,000,000 values"),
        (framed({}) + b"x", "has bytes that belong to no tensor"),
        (framed({"a": entry()}) + b"x", "ends inside tensor 'a': it is truncated"),
        (framed({"a": entry()}) + b"12345", "has bytes that belong to no tensor"),
        (struct.pack("<Q", 14) + b'{"a":{},"a":0}', "a header that is not JSON"),
        (framed({"__metadata__": []}), "metadata that are not texts"),
        (framed({"__metadata__": {"a": 1}}), "metadata that are not texts"),
    ],
)
def test_what_is_no_header_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in refused(tmp_path, content)


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (None, "does not describe tensor 'a'"),
        ({}, "does not describe tensor 'a'"),
        (entry(shape=2), "does not describe"),
        (entry(shape=[2.0]), "does not describe"),
        (entry(shape=[True] * 2), "does not describe"),
        (entry(shape=[-2]), "does not describe"),
        (entry(shape=[2**63]), "does not describe"),
        (entry(shape=[1] * 70), "does not describe"),
        (entry(end=None), "does not describe"),
        (entry(dtype=16), "does not describe"),
        (entry(dtype="F17"), "of the dtype 'F17'; store it in one of F4"),
        (entry(begin=4, end=0), "a size for tensor 'a' that does not fit its shape"),
        (entry(shape=[2**40, 2**40]), "a size for tensor 'a' that does not fit its shape"),
        (entry(dtype="F4", shape=[3], end=1), "does not fit its shape"),
        (entry(begin=2, end=6), "a gap or an overlap before tensor 'a'"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused(tmp_path: Path, tensor: Any, reason: str) -> None:
    assert reason in refused(tmp_path, framed({"a": tensor}) + bytes(4))


def test_tensors_that_share_bytes_are_refused(tmp_path: Path) -> None:
    reason = refused(tmp_path, framed({"a": entry(), "b": entry()}) + bytes(4))
    assert "a gap or an overlap before tensor 'b'" in reason


def test_tensors_are_in_the_order_of_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(framed({"b": entry((1,), 2), "a": entry((1,), 0, 2)}) + bytes(4))
    assert [tensor.name for tensor in Header.of(path).tensors] == ["a", "b"]
