"""A compact file has the documented layout and size, and expands to the same bytes."""

import tracemalloc
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.zpruner.files.safetensors_files import Content, random_content, write_safetensors
from zpruner.files.compact_file import CompactFile
from zpruner.files.errors import FilesError
from zpruner.files.expanded_file import ExpandedFile
from zpruner.files.header import BITS, Header

SHAPES = st.lists(st.sampled_from((0, 1, 3, 7)), max_size=2).map(tuple) | st.just(())
PAGE = Path(__file__).parents[3] / "docs" / "compact.md"


def contents() -> st.SearchStrategy[Content]:
    """Tensors of all dtypes; where several numbers share a byte, they fill whole bytes."""
    made = st.builds(
        lambda dtype, shape, zeros, seed: random_content(
            dtype, (*shape, 4) if BITS[dtype] < 8 else shape, zeros, seed
        ),
        st.sampled_from(sorted(BITS)),
        SHAPES,
        st.sampled_from((0.0, 0.5, 0.9, 1.0)),
        st.integers(0, 2**32),
    )
    return made


def compacted(path: Path) -> Path:
    """Write the compact form of a file beside it."""
    out, compact = path.with_suffix(".compact.safetensors"), CompactFile.at(path)
    out.write_bytes(b"".join(compact))
    assert out.stat().st_size == compact.size_bytes
    return out


@settings(max_examples=150, deadline=None)
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
    path = tmp_path_factory.mktemp("compact") / "model.safetensors"
    content = write_safetensors(path, tensors, metadata, padding)

    expanded = ExpandedFile(compacted(path))

    assert b"".join(expanded) == content
    assert expanded.size_bytes == len(content)
    assert expanded.sha256 == sha256(content).hexdigest()


def test_minus_zero_and_the_bits_of_nan_are_kept(tmp_path: Path) -> None:
    numbers = bytes.fromhex("0080 0000 c07f c1ff 0000 0000 0000 0000")
    write_safetensors(tmp_path / "a.safetensors", {"a": Content("BF16", (8,), numbers)})
    compact = compacted(tmp_path / "a.safetensors")
    with safe_open(compact, "np") as file:
        assert sorted(file.keys()) == ["header", "mask:a", "values:a"]
        assert file.get_tensor("mask:a").tolist() == [0b1101]
    assert b"".join(ExpandedFile(compact)).endswith(numbers)


@pytest.mark.parametrize(("zeros", "share"), [(0.5, 0.5625), (0.7, 0.3625), (0.0, 1.0)])
def test_numbers_of_16_bits_take_a_bit_each_and_what_is_kept(
    tmp_path: Path, zeros: float, share: float
) -> None:
    weights = torch.ones(512, 1024, dtype=torch.bfloat16)
    order = torch.randperm(weights.numel(), generator=torch.Generator().manual_seed(0))
    weights.view(-1)[order[: round(zeros * weights.numel())]] = 0
    save_file({"weight": weights}, tmp_path / "a.safetensors")
    size = compacted(tmp_path / "a.safetensors").stat().st_size
    assert size / (tmp_path / "a.safetensors").stat().st_size == pytest.approx(share, rel=0.01)


def test_parts_are_aligned_and_torch_reads_them(tmp_path: Path) -> None:
    dtypes = (torch.float64, torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.bool)
    weights = {str(dtype): torch.eye(9).to(dtype) for dtype in dtypes}
    save_file(weights | {"ones": torch.ones(3)}, tmp_path / "a.safetensors", {"format": "pt"})
    compact = compacted(tmp_path / "a.safetensors")
    for tensor in Header.of(compact).tensors:
        assert tensor.begin % tensor.unit == 0
    parts = load_file(compact)
    assert torch.equal(parts["whole:ones"], torch.ones(3))
    for name, weight in weights.items():
        assert torch.equal(parts[f"values:{name}"], torch.ones(9).to(weight.dtype))


def test_the_program_in_the_documentation_reads_a_compact_file(tmp_path: Path) -> None:
    tensors = {
        dtype: random_content(dtype, (16, 8), 0.6, seed) for seed, dtype in enumerate(sorted(BITS))
    }
    tensors["dense"] = random_content("F16", (16, 8), 0.0)
    write_safetensors(tmp_path / "a.safetensors", tensors, {"format": "pt"})
    code = PAGE.read_text().split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {}
    exec(code, names)
    read = names["tensors_of"]
    assert callable(read)
    found = dict(read(compacted(tmp_path / "a.safetensors")))
    assert found == {name: one.data for name, one in tensors.items()}


def test_a_file_larger_than_a_piece_is_read_in_pieces_of_bounded_memory(tmp_path: Path) -> None:
    path, size = tmp_path / "a.safetensors", 48 << 20
    header = {"a": Content("F16", (size // 2,), b"")}
    write_safetensors(path, header)
    content = path.read_bytes().replace(b"[0, 0]", b"[0, %d]" % size)
    with path.open("wb") as file:
        file.write((len(content) - 8).to_bytes(8, "little") + content[8:])
        file.truncate(len(content) + size)  # zeros without blocks on the disk
        file.seek(len(content) + (10 << 20) - 3)
        file.write(b"kept across the border of two pieces")
    digest = sha256(path.read_bytes()).hexdigest()

    tracemalloc.start()
    try:
        compact = compacted_in_pieces(path)
        again, expanded = sha256(), ExpandedFile(compact)
        for data in expanded:
            again.update(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert again.hexdigest() == digest == expanded.sha256
    assert peak < 12 << 20


def compacted_in_pieces(path: Path) -> Path:
    out = path.with_suffix(".compact.safetensors")
    with out.open("wb") as file:
        file.writelines(CompactFile.at(path))
    return out


def test_a_file_with_so_many_tensors_that_its_compact_header_is_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zpruner.files.header.MAX_HEADER_BYTES", 100)
    write_safetensors(tmp_path / "a.safetensors", {"a": Content("F16", (8,), bytes(16))})
    with pytest.raises(FilesError, match=r"needs a header of .* bytes; split the file"):
        CompactFile.at(tmp_path / "a.safetensors")
