"""A written smaller model is run, and has to compute what the model with zeros computes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, OlmoeConfig

from tests.models import FAMILIES, VOCABULARY, write_model
from tests.worker.pruning.structure.removals import Removed, removed, removing
from worker.pruning.base.errors import NotFiniteError, SmallerModelError
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.written_check import check_computes

_SIZES = {"hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 2}


def opened(folder: Path, dtype: torch.dtype = torch.float32) -> MetaModel:
    return MetaModel.open(folder, dtype, torch.device("cpu"))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Removed:
    folder = tmp_path_factory.mktemp("llama")
    dense = write_model(folder / "dense", FAMILIES["llama"])
    return removed(dense, folder, removing(Neurons(0.2)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_smaller_model_computes_what_the_model_with_zeros_computes(
    llama: Removed, dtype: torch.dtype
) -> None:
    whole = opened(llama.whole, dtype)
    check_computes(opened(llama.smaller, dtype), whole)
    with pytest.raises(SmallerModelError, match="its logits differ from those of the model with"):
        check_computes(opened(llama.whole.parent / "dense", dtype), whole)


def test_a_model_that_lacks_units_which_are_not_zero_is_refused_once_it_is_written(
    llama: Removed, tmp_path: Path
) -> None:
    model = replace(llama.model, meta_model=opened(llama.whole.parent / "dense"))
    (tmp_path / "out").mkdir()
    with pytest.raises(SmallerModelError, match="differ from those of the model with zeros by"):
        run_to_end(model.write(tmp_path / "out", tmp_path))


def test_a_model_that_transformers_builds_but_cannot_run_is_refused(tmp_path: Path) -> None:
    experts = {"num_experts": 2, "num_experts_per_tok": 1, "vocab_size": VOCABULARY}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 4}
    write_model(tmp_path / "whole", OlmoeConfig(**_SIZES, **experts, **heads))
    fewer = dict.fromkeys(heads, 2) | {"head_dim": 8}
    write_model(tmp_path / "smaller", OlmoeConfig(**_SIZES, **experts, **fewer))
    with pytest.raises(SmallerModelError, match=r"transformers cannot run it \(The size of tensor"):
        check_computes(opened(tmp_path / "smaller"), opened(tmp_path / "whole"))


def test_logits_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES["llama"])
    model = AutoModelForCausalLM.from_pretrained(dense)
    model.lm_head.weight.data.fill_(torch.nan)
    model.save_pretrained(tmp_path / "whole")
    with pytest.raises(NotFiniteError, match="the logits of the model with zeros"):
        check_computes(opened(dense), opened(tmp_path / "whole"))
