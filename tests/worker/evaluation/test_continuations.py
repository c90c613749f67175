"""Continuations scored block by block have the likelihoods that the whole model gives them."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from worker.evaluation.continuations import Continuation, likelihoods
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel

CPU = torch.device("cpu")
LIMIT = 40


def draw(context: int, tokens: int, seed: int) -> Continuation:
    ids = random_ids(1, context + tokens, seed)[0].tolist()
    return Continuation(tuple(ids[:context]), tuple(ids[context:]))


def asked() -> list[Continuation]:
    """Return continuations of several lengths, two with the same input, and one too long."""
    drawn = [draw(5 + 3 * n, 1 + n % 4, seed=n) for n in range(9)]
    return [*drawn, Continuation(drawn[4].context, (7,)), draw(1, 3, 20), draw(LIMIT + 5, 3, 21)]


@pytest.mark.parametrize(
    "family", ["llama", "llama-tied", "mistral-sliding", "gpt2-conv1d", "bloom-tuples"]
)
def test_likelihoods_are_those_of_the_whole_model(tmp_path: Path, family: str) -> None:
    folder = write_model(tmp_path / "model", FAMILIES[family])
    (tmp_path / "spill").mkdir()
    meta_model = MetaModel.open(folder, torch.float32, CPU)
    blocks: list[int] = []

    found = run_to_end(likelihoods(meta_model, asked(), LIMIT, tmp_path / "spill"), blocks.append)

    assert blocks == list(range(3))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    for one, continuation in zip(found, asked(), strict=True):
        row = continuation.row(LIMIT)
        with torch.no_grad():
            logits = model(torch.tensor([row])).logits[0, -len(continuation.tokens) :]
        logs, tokens = logits.log_softmax(-1), torch.tensor(continuation.tokens)
        expected = float(logs.gather(-1, tokens[:, None]).sum())
        assert one.log_probability == pytest.approx(expected, abs=1e-4)
        assert one.is_greedy == bool((logits.argmax(-1) == tokens).all())


def test_nothing_is_run_for_no_continuation(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", FAMILIES["llama"])
    meta_model = MetaModel.open(folder, torch.float32, CPU)
    blocks: list[int] = []
    assert run_to_end(likelihoods(meta_model, [], LIMIT, tmp_path), blocks.append) == []
    assert blocks == []


def test_continuations_with_the_same_input_share_a_row() -> None:
    context = (5, 6, 7)
    rows = {Continuation(context, (token,)).row(LIMIT) for token in range(9)}
    assert rows == {context}
