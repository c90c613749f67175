"""The tensors of a folder are those that transformers would load."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from tests.zpruner.files.safetensors_files import Content, random_content, write_safetensors
from zpruner.files.errors import FilesError
from zpruner.files.weight_files import INDEX, WHOLE
from zpruner.files.weights import tensors_of


def write(folder: Path, file: str, *names: str) -> None:
    write_safetensors(folder / file, {name: random_content("F16", (4, 4), 0.5) for name in names})


def test_one_file_comes_before_an_index_and_an_index_before_other_files(tmp_path: Path) -> None:
    for file, name in (("a.safetensors", "a"), ("b.safetensors", "b")):
        write(tmp_path, file, name)
    assert tensors_of(tmp_path).keys() == {"a", "b"}
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"b": "b.safetensors"}}))
    assert tensors_of(tmp_path).keys() == {"b"}
    write(tmp_path, WHOLE, "whole")
    assert tensors_of(tmp_path).keys() == {"whole"}


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ([], "has no weight_map"),
        ({"weight_map": []}, "has no weight_map"),
        ({"weight_map": {"a": [], "b": "b.safetensors"}}, "names [] as the file of 'a'"),
        (
            {"weight_map": {"a": 5, "b": "b.safetensors"}},
            "names 5 as the file of 'a'",
        ),
        ({"weight_map": {"a": "a\0.safetensors"}}, "names 'a\\x00.safetensors' as the file of"),
        ({"weight_map": {"a": "../a.safetensors"}}, "names '../a.safetensors' as the file"),
        ({"weight_map": {"a": "a.bin"}}, "names 'a.bin' as the file"),
        (
            {"weight_map": {"a": "a.safetensors"}},
            "names 'a.safetensors', which is missing; get",
        ),
    ],
)
def test_a_malformed_index_is_refused(tmp_path: Path, index: Any, reason: str) -> None:
    (tmp_path / INDEX).write_text(json.dumps(index))
    with pytest.raises(FilesError) as caught:
        tensors_of(tmp_path)
    assert reason in str(caught.value)


def test_a_tensor_in_two_files_is_refused(tmp_path: Path) -> None:
    for file in ("a.safetensors", "b.safetensors"):
        write(tmp_path, file, "same")
    with pytest.raises(FilesError, match=r"tensor 'same' is in a\.safetensors and in b\."):
        tensors_of(tmp_path)


@pytest.mark.parametrize("shape", [[4, 9], [4], [3, 8]])
def test_a_shape_that_does_not_fit_the_packed_integers_is_refused(
    tmp_path: Path, shape: list[int]
) -> None:
    words = random_content("I32", (4, 1), 0.5)
    sizes = Content("I64", (len(shape),), struct.pack(f"<{len(shape)}q", *shape))
    scales = random_content("F16", (4, 1), 0.0)
    tensors = {"a_packed": words, "a_scale": scales, "a_shape": sizes}
    write_safetensors(tmp_path / WHOLE, tensors)
    with pytest.raises(FilesError, match="'a_packed' does not fit the shape beside it"):
        tensors_of(tmp_path)
