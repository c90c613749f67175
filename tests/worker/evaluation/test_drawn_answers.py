"""Drawn answers and hidden states are those of transformers' own model."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.evaluation.drawn_answers import DrawnAnswers, draw_answers, middle_block
from worker.evaluation.generation import TEMPERATURE, whole_model
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel

ANSWERS, TOKENS = 5, 7
PROMPT = torch.arange(65, 85)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_model_and_tokenizer(tmp_path)


def written(ids: list[int], line_breaks: range = range(0)) -> str:
    """Write token ids as numbers, and some of them as line breaks."""
    return " ".join("\n" if one in line_breaks else str(one) for one in ids)


def numbers(text: str) -> list[int]:
    return [int(one) for one in text.split()]


def draw(
    folder: Path, seed: int = 0, end: range = range(0), line_breaks: range = range(0)
) -> DrawnAnswers:
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    block = meta_model.blocks[middle_block(3)]
    generator = torch.Generator().manual_seed(seed)
    limits = (ANSWERS, TOKENS, end, generator)
    with whole_model(meta_model) as model:
        steps = draw_answers(model, block, PROMPT, lambda ids: written(ids, line_breaks), *limits)
        return run_to_end(steps)


def check_states(folder: Path, drawn: DrawnAnswers) -> None:
    """Compare the states with those after the second block, at the last token of each text."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    texts = [PROMPT, *(torch.cat([PROMPT, torch.tensor(numbers(one))]) for one in drawn.texts)]
    for ids, state in zip(texts, drawn.states, strict=True):
        expected = model(ids.long()[None], output_hidden_states=True).hidden_states[2][0, -1]
        assert torch.allclose(state, expected, atol=1e-4)


def test_states_are_those_of_the_last_tokens_at_60_percent_of_the_depth(folder: Path) -> None:
    drawn = draw(folder)
    assert {len(numbers(one)) for one in drawn.texts} == {TOKENS}
    check_states(folder, drawn)


def test_the_tokens_are_drawn_at_the_temperature_by_the_seed(folder: Path) -> None:
    texts = draw(folder).texts
    assert texts == draw(folder).texts
    assert texts != draw(folder, seed=1).texts
    model = AutoModelForCausalLM.from_pretrained(folder)
    odds = torch.softmax(model(PROMPT[None]).logits[0, -1].float() / TEMPERATURE, 0)
    generator = torch.Generator().manual_seed(0)
    first = torch.multinomial(odds.repeat(ANSWERS, 1), 1, generator=generator)[:, 0].tolist()
    assert [numbers(one)[0] for one in texts] == first


def test_an_answer_ends_before_a_line_break_or_a_token_that_ends_a_text(folder: Path) -> None:
    whole = draw(folder)
    for drawn in (draw(folder, end=range(130)), draw(folder, line_breaks=range(130))):
        for text, one in zip(drawn.texts, whole.texts, strict=True):
            ids = numbers(one)
            ends = [place for place, token in enumerate(ids) if token < 130]
            assert numbers(text) == ids[: min(ends, default=TOKENS)]
        assert len({len(numbers(one)) for one in drawn.texts}) > 1
        check_states(folder, drawn)


def test_a_model_that_says_nothing_has_the_state_of_the_question(folder: Path) -> None:
    drawn = draw(folder, end=range(300))
    assert drawn.texts == ("",) * ANSWERS
    assert torch.equal(drawn.states, drawn.states[:1].expand(1 + ANSWERS, -1))


@pytest.mark.parametrize(("blocks", "middle"), [(1, 0), (2, 0), (3, 1), (30, 17), (32, 18)])
def test_the_ranked_block_is_at_60_percent_of_the_depth(blocks: int, middle: int) -> None:
    assert middle_block(blocks) == middle
