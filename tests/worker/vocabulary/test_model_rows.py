"""Which tensors have a row for each token, and models that cannot lose any."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.models import FAMILIES, write_model
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.vocabulary.errors import VocabularyError
from worker.vocabulary.model_rows import ModelRows


def opened(folder: Path) -> MetaModel:
    return MetaModel.open(folder, torch.float32, torch.device("cpu"))


@pytest.mark.parametrize(
    ("family", "tensors"),
    [
        ("llama", {"model.embed_tokens.weight", "lm_head.weight"}),
        ("llama-tied", {"model.embed_tokens.weight"}),
        ("gpt2-conv1d", {"transformer.wte.weight"}),
        ("gpt-neox", {"gpt_neox.embed_in.weight", "embed_out.weight"}),
        ("mixtral-experts", {"model.embed_tokens.weight", "lm_head.weight"}),
    ],
)
def test_the_rows_are_those_of_the_embedding_and_of_an_untied_head(
    tmp_path: Path, family: str, tensors: set[str]
) -> None:
    folder = write_model(tmp_path / "model", FAMILIES[family])
    rows = ModelRows.of(opened(folder))
    assert (set(rows.tensors), rows.count) == (tensors, 96)
    assert (rows.parameters_of_row, rows.bytes_of_row) == (32 * len(tensors), 128 * len(tensors))


def test_all_other_tensors_are_copied_byte_for_byte(tmp_path: Path) -> None:
    folder, out, scratch = (tmp_path / name for name in ("model", "out", "scratch"))
    write_model(folder, FAMILIES["llama"], torch.bfloat16)
    out.mkdir()
    scratch.mkdir()
    rows, kept = ModelRows.of(opened(folder)), [0, 1, 2, 5, 6, 50, 95, 97]
    run_to_end(rows.write(folder, kept, out, scratch))

    whole, cut = Checkpoint.open(folder), Checkpoint.open(out)
    assert cut.tensors.keys() == whole.tensors.keys()
    for name in whole.tensors:
        expected = whole.read(name)
        if name in rows.tensors:
            expected = expected[kept[:-1]]  # a token without a row
        assert torch.equal(cut.read(name), expected), name


def with_tensor(folder: Path, name: str, tensor: torch.Tensor) -> None:
    tensors = {name: Checkpoint.open(folder).read(name) for name in Checkpoint.open(folder).tensors}
    for file in (*folder.glob("*.safetensors"), *folder.glob("*.index.json")):
        file.unlink()
    save_file(tensors | {name: tensor}, folder / "model.safetensors", metadata={"format": "pt"})


def quantised(folder: Path) -> None:
    with_tensor(folder, "lm_head.weight", torch.zeros(96, 32, dtype=torch.int8))


def second_head(folder: Path) -> None:
    with_tensor(folder, "model.layers.3.shared_head.head.weight", torch.zeros(96, 32))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (quantised, r"lm_head\.weight is quantised"),
        (second_head, r"shared_head\.head\.weight has a row for each token, too"),
    ],
)
def test_a_quantised_head_or_a_further_one_is_refused(
    tmp_path: Path, change: Callable[[Path], None], reason: str
) -> None:
    folder = write_model(tmp_path / "model", FAMILIES["llama"])
    change(folder)
    with pytest.raises(VocabularyError, match=reason):
        ModelRows.of(opened(folder))
