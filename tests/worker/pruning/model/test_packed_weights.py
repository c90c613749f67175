"""Packed weights: what is packed is unpacked, and compressed-tensors reads it."""

from pathlib import Path

import pytest
import torch
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32, unpack_from_int32
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from worker.pruning.base.errors import ShapeError
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.packed_weights import QuantizedMatrix, dequantized, pack, unpack


@st.composite
def matrices(draw: st.DrawFn) -> tuple[Tensor, int]:
    """Draw a matrix of integers, and how many bits each has."""
    bits = draw(st.sampled_from([4, 8]))
    rows, words = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    most = 2 ** (bits - 1)
    numbers = st.integers(-most, most - 1)
    count = rows * words * 32 // bits
    drawn = draw(st.lists(numbers, min_size=count, max_size=count))
    return torch.tensor(drawn, dtype=torch.int8).view(rows, -1), bits


@given(matrices())
def test_unpacked_integers_are_those_that_were_packed(drawn: tuple[Tensor, int]) -> None:
    integers, bits = drawn
    words = pack(integers, bits)
    assert (words.dtype, words.nbytes) == (torch.int32, integers.numel() * bits // 8)
    assert torch.equal(unpack(words, integers.shape[1]), integers)


@given(matrices())
def test_words_are_those_of_compressed_tensors(drawn: tuple[Tensor, int]) -> None:
    integers, bits = drawn
    words = pack(integers, bits)
    assert torch.equal(words, pack_to_int32(integers, bits))
    assert torch.equal(unpack_from_int32(words, bits, integers.shape), integers)


def test_rows_that_do_not_fill_words_are_refused() -> None:
    with pytest.raises(ShapeError, match="rows of 12 integers do not fill words of 8"):
        pack(torch.zeros(2, 12, dtype=torch.int8), 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_weight_is_its_integer_times_the_scale_of_its_group(dtype: torch.dtype) -> None:
    integers = torch.randint(-8, 8, (3, 16), dtype=torch.int8)
    scales = torch.rand(3, 2).to(dtype) + 0.1

    weights = dequantized(integers, scales)

    assert weights.dtype is dtype
    for row in range(3):
        for column in range(16):
            integer, scale = integers[row, column].to(dtype), scales[row, column // 8]
            assert weights[row, column] == integer * scale
    assert not torch.signbit(weights[integers == 0]).any()


@pytest.mark.parametrize("bits", [4, 8])
def test_a_checkpoint_reads_packed_matrices_as_weights(tmp_path: Path, bits: int) -> None:
    file = tmp_path / "model.safetensors"
    most = 2 ** (bits - 1)
    integers = torch.randint(-most, most, (6, 32), dtype=torch.int8)
    matrix = QuantizedMatrix(integers, torch.rand(6, 4) + 0.5, bits)
    save_file(matrix.stored("layer.weight") | {"norm": torch.ones(3)}, file)

    stored = Checkpoint.from_files([file])
    read = stored.dequantized()

    assert stored.tensors.keys() == {
        "norm",
        *(f"layer.weight_{part}" for part in ("packed", "scale", "shape")),
    }
    assert read.tensors.keys() == {"norm", "layer.weight"}
    assert read.tensors["layer.weight"].shape == (6, 32)
    assert torch.equal(read.read("layer.weight"), matrix.weights())
    assert torch.equal(read.read("norm"), torch.ones(3))
    whole = Checkpoint({"layer.weight": stored.tensors["norm"]}).overlaid(read)
    assert torch.equal(whole.read("layer.weight"), matrix.weights())
