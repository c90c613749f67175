"""The windows that a model writes by itself: how they begin, go on, and are chosen."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM
from transformers.modeling_outputs import CausalLMOutput

from tests.models import FAMILIES, VOCABULARY, random_ids, write_model
from worker.evaluation import self_written
from worker.evaluation.generation import whole_model
from worker.evaluation.generation_metrics import GeneratedText
from worker.evaluation.self_written import (
    DISTINCT,
    GREEDY,
    WritingStyle,
    rows_of_chunk,
    write_chunk,
)
from worker.pruning.base.errors import NotFiniteError
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel

START, END, LENGTH = 1, 2, 40
PIECES = random_ids(3, LENGTH, seed=5)
PLAIN = WritingStyle((START,), frozenset({END}), (), PIECES)
ASK, ANSWER, PROMPT = (2, 90, 91), (3, 92), (93, 94, 95)
CHAT = WritingStyle(PROMPT, frozenset({END}), (ANSWER, ASK), PIECES[:0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    write_model(folder, FAMILIES["llama"])
    return folder


@contextmanager
def small_chunks(monkeypatch: pytest.MonkeyPatch, rows: int, dropped: int) -> Iterator[None]:
    """Write few windows at once, of which one of ``dropped`` is dropped."""
    with monkeypatch.context() as patch:
        patch.setattr(self_written, "MOST_ROWS", rows)
        patch.setattr(self_written, "DROPPED", dropped)
        yield


def chunk(
    folder: Path, monkeypatch: pytest.MonkeyPatch, style: WritingStyle, **options: Any
) -> list[list[int]]:
    """Return the windows of a chunk, by default all that were written."""
    given = {"seed": 7, "number": 0, "rows": 12, "dropped": 10**6} | options
    meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    with (
        small_chunks(monkeypatch, given["rows"], given["dropped"]),
        whole_model(meta_model) as model,
    ):
        steps = write_chunk(model, style, LENGTH, given["seed"], given["number"])
        return run_to_end(steps)


def test_windows_follow_from_the_seed_and_the_number_of_their_chunk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, again, other, next_ = (
        chunk(folder, monkeypatch, PLAIN, seed=seed, number=number)
        for seed, number in ((7, 0), (7, 0), (8, 0), (7, 1))
    )
    assert one == again
    assert not {*map(tuple, one)} & {*map(tuple, other), *map(tuple, next_)}
    assert {len(window) for window in one} == {LENGTH}


def test_every_second_window_begins_with_16_to_32_tokens_of_the_given_text(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = chunk(folder, monkeypatch, PLAIN)
    pieces = {
        tuple(text[start : start + 16]) for text in PIECES.tolist() for start in range(LENGTH - 15)
    }
    assert [tuple(window[:16]) in pieces for window in windows] == [False, True] * 6
    half = LENGTH // 2
    joined = {tuple(text[at : at + half + 1]) for text in PIECES.tolist() for at in range(half)}
    assert not any(tuple(window[: half + 1]) in joined for window in windows)


@torch.no_grad()
def test_a_text_goes_on_with_likely_tokens_and_then_with_drawn_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = torch.tensor(chunk(folder, monkeypatch, PLAIN)[::2])
    model = AutoModelForCausalLM.from_pretrained(folder)
    given = torch.cat([torch.full((len(windows), 1), START), windows], 1)
    likely = model(given).logits[:, :-1].argmax(-1)
    follows = likely == windows
    assert follows[:, 1 : GREEDY + 1].all()
    assert follows[:, GREEDY + 1 :].float().mean() < 0.2
    assert END not in windows[:, 0]


def test_no_token_begins_more_than_a_hundredth_of_the_windows(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    firsts: list[int] = []
    distinct = min(DISTINCT, VOCABULARY - 1)  # the end is not drawn
    while len(firsts) < 2 * distinct:
        written = chunk(folder, monkeypatch, PLAIN, number=len(firsts) // 32, rows=64)
        firsts += [window[0] for window in written[::2]]
    for start in (0, distinct):
        assert max(Counter(firsts[start : start + distinct]).values()) == 1
    assert firsts[:distinct] != firsts[distinct : 2 * distinct]


def test_a_model_whose_predictions_are_not_finite_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LlamaForCausalLM, "forward", _not_finite)
    with pytest.raises(NotFiniteError, match="while it writes text contains NaN"):
        chunk(folder, monkeypatch, PLAIN)


def _not_finite(_: Any, input_ids: torch.Tensor, **__: Any) -> Any:
    return CausalLMOutput(logits=torch.full((*input_ids.shape, VOCABULARY), torch.nan))


def test_a_chat_has_the_turns_of_the_template_and_none_is_empty(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0
    for number in range(3):
        for window in chunk(folder, monkeypatch, CHAT, number=number, rows=32):
            assert tuple(window[: len(PROMPT)]) == PROMPT
            place, begun, expected = len(PROMPT), len(PROMPT), 0
            while place < LENGTH:
                marks = (ANSWER, ASK)[expected]
                if window[place] in (marks[0], END):
                    assert place > begun
                    assert tuple(window[place : place + len(marks)]) == marks[: LENGTH - place]
                    place = begun = place + len(marks)
                    expected, turns = 1 - expected, turns + 1
                else:
                    place += 1
    assert turns > 30


@torch.no_grad()
def test_those_with_the_highest_perplexity_are_dropped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monologue = WritingStyle(PROMPT, frozenset(), ((95,), (95,)), PIECES[:0])
    windows = chunk(folder, monkeypatch, monologue)
    kept = chunk(folder, monkeypatch, monologue, dropped=4)
    ids, model = torch.tensor(windows), AutoModelForCausalLM.from_pretrained(folder)
    odds = model(ids).logits[:, :-1].log_softmax(-1)
    losses = -odds.gather(2, ids[:, 1:, None])[:, len(PROMPT) - 1 :, 0].mean(1)
    highest = losses.topk(3).indices.tolist()
    assert kept == [window for row, window in enumerate(windows) if row not in highest]


def test_windows_that_loop_are_dropped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = chunk(folder, monkeypatch, PLAIN)
    monkeypatch.setattr(GeneratedText, "is_loop", property(lambda text: text.tokens[0] % 2 == 1))
    kept = chunk(folder, monkeypatch, PLAIN)
    assert kept == [window for window in windows if window[0] % 2 == 0]
    assert 0 < len(kept) < len(windows)


def test_a_chunk_has_fewer_windows_of_more_tokens() -> None:
    assert [rows_of_chunk(length) for length in (32, 512, 2048, 32_768)] == [32, 32, 16, 2]


def test_tokens_are_drawn_by_their_odds_and_none_without_odds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sums = torch.tensor([[0.0, 1.0, 1.0, 4.0, 4.0]], dtype=torch.float64).repeat(40_000, 1)
    drawn = self_written._drawn_tokens(sums, torch.Generator().manual_seed(0)).bincount()
    assert drawn.tolist()[::2] == [0, 0]
    assert drawn[1] / drawn.sum() == pytest.approx(0.25, abs=0.01)
    for number, token in ((0.0, 1), (1.0, 3)):
        numbers = torch.full((len(sums), 1), number, dtype=torch.float64)
        monkeypatch.setattr(torch, "rand", lambda *_, numbers=numbers, **__: numbers)
        assert {token} == {*self_written._drawn_tokens(sums, torch.Generator()).tolist()}
