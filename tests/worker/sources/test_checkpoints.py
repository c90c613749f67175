import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load

from db.core.errors import SpecRefusedError
from db.spec.checkpoint_headers import MAX_TENSORS, UNQUANTISED, check_weights
from tests.worker.sources.builders import as_json, framed, index, safetensors, write
from worker.pruning.model.stored_tensors import DTYPES
from zpruner.files.header import BITS

WHOLE = safetensors({"a": 3, "b": 5})


def entry(begin: int, end: int, **other: object) -> dict[str, object]:
    return {"dtype": "F32", "shape": [(end - begin) // 4], "data_offsets": [begin, end]} | other


def with_header(header: object, body_bytes: int = 8) -> bytes:
    return framed(as_json(header), body_bytes)


def code_of(folder: Path) -> tuple[str, str]:
    with pytest.raises(SpecRefusedError) as refused:
        check_weights(folder, "tiny")
    assert refused.value.field == "model"
    return refused.value.code, refused.value.reason


def test_a_good_file_passes_ours_as_it_passes_the_reference_reader(tmp_path: Path) -> None:
    data = safetensors({"a": 3, "b": 0, "c": 5}, format="pt")
    assert load(data).keys() == {"a", "b", "c"}
    check_weights(write(tmp_path, {"model.safetensors": data}), "tiny")


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"", "truncated_weights", "header"),
        (WHOLE[:7], "truncated_weights", "header"),
        (WHOLE[:30], "truncated_weights", "header"),
        (WHOLE[:-1], "truncated_weights", "'b'"),
        (WHOLE + b"x", "malformed_weights", "no tensor"),
        (struct.pack("<Q", 2**63) + b"{}", "oversized_header", "25 MB"),
        (struct.pack("<Q", 25_000_001), "oversized_header", "25 MB"),
        (framed(b"{]", 0), "malformed_weights", "not JSON"),
        (framed(b"[" * 100_000, 0), "malformed_weights", "not JSON"),
        (framed(b"[]", 0), "malformed_weights", "object"),
        (framed(b'{"a": {}, "a": {}}', 0), "malformed_weights", "not JSON"),
        (with_header({"a": 1}), "malformed_weights", "'a'"),
        (with_header({"a": {"dtype": "F32", "shape": [2]}}), "malformed_weights", "'a'"),
        (with_header({"a": entry(4, 8)}), "malformed_weights", "gap"),
        (with_header({"a": entry(0, 8), "b": entry(4, 8)}), "malformed_weights", "overlap"),
        (with_header({"a": entry(0, 8, shape=[3])}), "malformed_weights", "shape"),
        (with_header({"a": entry(0, 8, shape=[-2])}), "malformed_weights", "'a'"),
        (with_header({"a": entry(0, 8, shape=[2.0])}), "malformed_weights", "'a'"),
        (with_header({"a": entry(0, 8, shape=[2**62] * 70)}), "malformed_weights", "'a'"),
        (with_header({"a": entry(0, 8, data_offsets=[0, 8, 8])}), "malformed_weights", "'a'"),
        (with_header({"a": entry(0, 8, dtype=["F32"])}), "malformed_weights", "'a'"),
        (with_header({"a": entry(0, 8, dtype="F8_E4M3", shape=[8])}), "quantized", "F8_E4M3"),
        (with_header({"a": entry(0, 8, dtype="F17")}), "quantized", "F17"),
        (framed(b"[" * 1_000_002, 0), "malformed_weights", "1,000,000 values"),
        (with_header({"a": entry(0, 4, shape={})}, 4), "malformed_weights", "'a'"),
        (with_header({"__metadata__": [1], "a": entry(0, 8)}), "malformed_weights", "metadata"),
        (with_header({"__metadata__": {"a": 1}}, 0), "malformed_weights", "metadata"),
        (with_header({"\ud800": entry(0, 8)}), "malformed_weights", "ud800"),
        (with_header({"a" * 1001: entry(0, 8)}), "malformed_weights", "aaa"),
        (framed('{"a": {}}'.encode("utf-16"), 0), "malformed_weights", "not JSON"),
    ],
)
def test_a_malformed_file_is_refused_with_what_is_wrong(
    tmp_path: Path, data: bytes, code: str, says: str
) -> None:
    found, reason = code_of(write(tmp_path, {"model.safetensors": data}))
    assert found == code
    assert says in reason
    assert "model.safetensors" in reason


def test_too_many_tensors_are_refused(tmp_path: Path) -> None:
    data = with_header({f"t{number}": entry(0, 0) for number in range(MAX_TENSORS + 1)}, 0)
    assert code_of(write(tmp_path, {"model.safetensors": data}))[0] == "too_many_tensors"


def test_a_file_that_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    assert code_of(tmp_path)[0] == "malformed_weights"


def test_an_index_from_which_a_reader_would_wait_forever_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.safetensors.index.json")
    assert code_of(tmp_path) == (
        "malformed_weights",
        "model.safetensors.index.json is not a regular file",
    )


def test_an_index_that_names_a_missing_tensor_is_refused_with_its_name(tmp_path: Path) -> None:
    weights = index({"a": "x.safetensors", "model.lost": "x.safetensors"})
    files = {"model.safetensors.index.json": weights, "x.safetensors": safetensors({"a": 3})}
    code, reason = code_of(write(tmp_path, files))
    assert code == "missing_tensor"
    assert "model.lost" in reason


def test_an_index_that_names_a_missing_file_is_refused_with_its_name(tmp_path: Path) -> None:
    files = {"model.safetensors.index.json": index({"a": "lost.safetensors"})}
    code, reason = code_of(write(tmp_path, files))
    assert code == "missing_shard"
    assert "lost.safetensors" in reason


def test_a_single_file_is_preferred_to_an_index_and_an_index_to_other_files(
    tmp_path: Path,
) -> None:
    damaged = b"no header"
    shard = {"model.safetensors.index.json": index({"a": "x.safetensors"})}
    sound, other = {"x.safetensors": safetensors({"a": 3})}, {"consolidated.safetensors": damaged}
    check_weights(write(tmp_path / "index", shard | sound | other), "tiny")
    whole = {"model.safetensors": WHOLE}
    check_weights(write(tmp_path / "whole", whole | shard | {"x.safetensors": damaged}), "tiny")


def test_a_tensor_that_two_files_hold_is_refused_with_their_names(tmp_path: Path) -> None:
    files = {"x.safetensors": WHOLE, "y.safetensors": safetensors({"b": 5})}
    code, reason = code_of(write(tmp_path, files))
    assert code == "malformed_weights"
    assert reason == "tensor 'b' is in x.safetensors and in y.safetensors"


@pytest.mark.parametrize("file", ["../x.safetensors", "/etc/x.safetensors", "a/b", "x.bin", 3, ""])
def test_an_index_never_names_a_path(tmp_path: Path, file: Any) -> None:
    files = {"model.safetensors.index.json": index({"a": file})}
    assert code_of(write(tmp_path, files))[0] == "malformed_weights"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"weight_map": []}', b"[" * 100_000])
def test_a_malformed_index_is_refused(tmp_path: Path, content: Any) -> None:
    files = {"model.safetensors.index.json": content, "x.safetensors": WHOLE}
    assert code_of(write(tmp_path, files))[0] == "malformed_weights"


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), cut=st.integers(0, 20))
def test_with_any_byte_flipped_both_readers_refuse_the_same_files(
    tmp_path: Path, at: int, byte: int, cut: int
) -> None:
    data = bytearray(WHOLE[: len(WHOLE) - cut])
    if at < len(data):
        data[at] = byte
    write(tmp_path, {"model.safetensors": bytes(data)})
    try:
        check_weights(tmp_path, "tiny")
    except SpecRefusedError:
        return
    load(bytes(data))


def test_the_number_formats_are_those_that_the_core_reads() -> None:
    bits = {name: 8 * dtype.itemsize for name, dtype in DTYPES.items()}
    assert bits == {name: BITS[name] for name in UNQUANTISED}
