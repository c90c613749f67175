"""Generated tokens are those of transformers' own generation."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from worker.evaluation import generation
from worker.evaluation.generation import (
    TEMPERATURE,
    drawn_by,
    generated,
    most_likely,
    next_tokens,
    runnable_model,
    streamed_model,
    whole_model,
)
from worker.pruning.model.meta_model import MetaModel

TOKENS = 12
CPU = torch.device("cpu")
PROMPTS = random_ids(3, 8)
CHECKED = ["llama", "gpt2-conv1d", "gemma3-hybrid", "mixtral-experts", "bloom-tuples"]


def open_model(folder: Path) -> MetaModel:
    return MetaModel.open(folder, torch.float32, CPU)


def rows(model: Any, choose: Callable[[Tensor], Tensor] = most_likely) -> Tensor:
    """Return the tokens ``[rows, tokens]`` with which a model continues the prompts."""
    return torch.stack(list(generated(model, PROMPTS, TOKENS, choose)), 1)


@pytest.mark.parametrize("load", [whole_model, streamed_model])
@pytest.mark.parametrize("family", CHECKED)
def test_the_most_likely_tokens_are_those_of_transformers(
    tmp_path: Path,
    family: str,
    load: Callable[[MetaModel], AbstractContextManager[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(generation, "CACHE_ROOM", 3)  # the cache grows several times
    write_model(tmp_path, FAMILIES[family])
    whole = AutoModelForCausalLM.from_pretrained(tmp_path)
    settings = {"max_new_tokens": TOKENS, "do_sample": False, "eos_token_id": None}
    wanted = whole.generate(PROMPTS, **settings)[:, PROMPTS.shape[1] :]
    with load(meta_model := open_model(tmp_path)) as model:
        assert torch.equal(rows(model), wanted)
    assert all(parameter.is_meta for parameter in meta_model.model.parameters())


@torch.no_grad()
def test_drawn_tokens_are_those_of_a_plain_loop_with_the_same_seed(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    plain, ids = AutoModelForCausalLM.from_pretrained(tmp_path), PROMPTS
    generator = torch.Generator().manual_seed(3)
    for _ in range(TOKENS):
        odds = torch.softmax(plain(ids).logits[:, -1] / TEMPERATURE, -1)
        ids = torch.cat([ids, torch.multinomial(odds, 1, generator=generator)], 1)
    with whole_model(open_model(tmp_path)) as model:
        drawn = rows(model, drawn_by(torch.Generator().manual_seed(3)))
        assert not torch.equal(drawn, rows(model, drawn_by(torch.Generator().manual_seed(4))))
    assert torch.equal(drawn, ids[:, PROMPTS.shape[1] :])


def test_the_model_runs_on_each_token_once(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    with whole_model(open_model(tmp_path)) as model:
        seen: list[int] = []
        embedding = model.get_input_embeddings()
        with embedding.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[1])):
            rows(model)
    assert seen == [PROMPTS.shape[1]] + [1] * (TOKENS - 1)


def test_a_model_that_does_not_fit_has_one_block_in_memory(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    meta_model, loaded = open_model(tmp_path), list[int]()

    def count(*_: Any) -> None:
        blocks = [block for block in meta_model.blocks if not next(block.parameters()).is_meta]
        loaded.append(len(blocks))

    with runnable_model(meta_model, budget_bytes=1) as model:
        for block in meta_model.blocks:
            block.get_submodule("mlp").register_forward_hook(count)
        streamed = rows(model)
    assert set(loaded) == {1}
    loaded.clear()
    with runnable_model(meta_model, budget_bytes=None) as model:
        assert torch.equal(rows(model), streamed)
    assert set(loaded) == {3}


def test_a_text_ends_before_a_token_that_ends_it(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    with whole_model(open_model(tmp_path)) as model:
        whole = list(next_tokens(model, PROMPTS[0], TOKENS, []))
        assert len(whole) == TOKENS
        cut = list(next_tokens(model, PROMPTS[0], TOKENS, [whole[3]]))
    assert cut == whole[: whole.index(whole[3])]
