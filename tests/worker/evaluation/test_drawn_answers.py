"""Drawn answers and hidden states are those of transformers' own model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.evaluation.drawn_answers import DrawnAnswers, draw_answers, middle_block
from worker.evaluation.generation import TEMPERATURE, whole_model
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel

PROMPT, ANSWERS, TOKENS = "What is 2 plus 2?", 5, 7


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model_and_tokenizer(tmp_path)


def draw(folder: Path, seed: int = 0, end: tuple[int, ...] = ()) -> DrawnAnswers:
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor(tokenizer(PROMPT)["input_ids"])
    block = meta_model.blocks[middle_block(3)]
    generator = torch.Generator().manual_seed(seed)
    with whole_model(meta_model) as model:
        steps = draw_answers(model, block, ids, tokenizer.decode, ANSWERS, TOKENS, end, generator)
        return run_to_end(steps)


def test_states_are_those_of_the_last_tokens_at_60_percent_of_the_depth(folder: Path) -> None:
    drawn = draw(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert middle_block(3) == 1
    assert drawn.states.shape == (1 + ANSWERS, model.config.hidden_size)
    question = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    states = model(question, output_hidden_states=True).hidden_states[2]
    assert torch.allclose(drawn.states[0], states[0, -1], atol=1e-5)
    compared = 0
    for text, state in zip(drawn.texts, drawn.states[1:], strict=True):
        again = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"].long()
        if tokenizer.decode(again[0]) != text or "\ufffd" in text:
            continue  # not every drawn token is a character
        whole = torch.cat([question, again], 1)
        expected = model(whole, output_hidden_states=True).hidden_states[2][0, -1]
        assert torch.allclose(state, expected, atol=1e-5)
        compared += 1
    assert compared > 0


def test_the_tokens_are_drawn_at_the_temperature_by_the_seed(folder: Path) -> None:
    assert draw(folder).texts == draw(folder).texts
    assert draw(folder).texts != draw(folder, seed=1).texts
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    odds = torch.softmax(model(ids).logits[0, -1].float() / TEMPERATURE, 0).repeat(ANSWERS, 1)
    generator = torch.Generator().manual_seed(0)
    first = torch.multinomial(odds, 1, generator=generator)[:, 0].tolist()
    texts = draw(folder).texts
    for token, text in zip(first, texts, strict=True):
        letter = tokenizer.decode([token])
        assert text == "" if "\n" in letter else text.startswith(letter) or "\ufffd" in text


def test_an_answer_ends_before_a_token_that_ends_a_text(folder: Path) -> None:
    every = tuple(range(300))
    drawn = draw(folder, end=every)
    assert drawn.texts == ("",) * ANSWERS
    assert torch.equal(drawn.states, drawn.states[:1].expand(1 + ANSWERS, -1))


@pytest.mark.parametrize(("blocks", "middle"), [(1, 0), (2, 0), (3, 1), (30, 17), (32, 18)])
def test_the_ranked_block_is_at_60_percent_of_the_depth(blocks: int, middle: int) -> None:
    assert middle_block(blocks) == middle
