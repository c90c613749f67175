"""Generated tokens are those of transformers' own generation."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from worker.evaluation.generation import continuation, whole_model
from worker.pruning.model.meta_model import MetaModel

TOKENS = 12
CPU = torch.device("cpu")


def open_model(folder: Path) -> MetaModel:
    return MetaModel.open(folder, torch.float32, CPU)


@pytest.mark.parametrize("family", ["llama", "gpt2-conv1d", "gemma3-hybrid", "mixtral-experts"])
def test_the_most_likely_tokens_are_those_of_transformers(tmp_path: Path, family: str) -> None:
    write_model(tmp_path, FAMILIES[family])
    (prompt,) = random_ids(1, 8)
    whole = AutoModelForCausalLM.from_pretrained(tmp_path)
    settings = {"max_new_tokens": TOKENS, "do_sample": False, "eos_token_id": None}
    wanted = whole.generate(prompt[None], **settings)[0, len(prompt) :].tolist()
    with whole_model(meta_model := open_model(tmp_path)) as model:
        assert continuation(model, prompt, TOKENS, []) == wanted
        assert continuation(model, prompt, TOKENS, [wanted[3]]) == wanted[: wanted.index(wanted[3])]
    assert all(parameter.is_meta for parameter in meta_model.model.parameters())


def test_drawn_tokens_follow_the_seed_and_the_distribution(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    (prompt,) = random_ids(1, 8)
    with whole_model(open_model(tmp_path)) as model:

        def drawn(seed: int, tokens: int = TOKENS) -> list[int]:
            return continuation(model, prompt, tokens, [], torch.Generator().manual_seed(seed))

        assert drawn(1) == drawn(1) != drawn(2)
        with torch.no_grad():
            odds = torch.softmax(model(input_ids=prompt[None]).logits[0, -1] / 0.8, 0)
        counts = torch.zeros(len(odds)).index_add(
            0, torch.tensor([drawn(seed, 1)[0] for seed in range(400)]), torch.ones(400)
        )
    assert (counts / 400 - odds).abs().max() < 0.1
