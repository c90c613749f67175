"""Free transforms of a model: they change none of its outputs, and a row is measured."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.quality.changed_model import CHANGES, Importance, first_blocks, spread
from benchmarks.quality.transforms import main
from tests.models import random_ids
from tests.worker.evaluation.models import write_model_and_tokenizer

BLOCKS, IDS = range(1, 3), random_ids(3, 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model_and_tokenizer(tmp_path_factory.mktemp("transforms") / "model")


def products(model: Any) -> torch.Tensor:
    """Return the products of a model's last hidden states, whatever their basis is."""
    with torch.no_grad():
        states: torch.Tensor = model.model(IDS, use_cache=False)[0].flatten(0, 1)
    return states @ states.T


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_leaves_the_outputs_as_they_are(folder: Path, change: str) -> None:
    model, before = first_blocks(folder, 3), products(first_blocks(folder, 3))
    weights = [parameter.clone() for parameter in model.model.layers.parameters()]
    for stage in CHANGES[change]:
        stage(model, Importance(model, BLOCKS, IDS))
    torch.testing.assert_close(products(model), before, rtol=1e-3, atol=1e-3)
    pairs = zip(weights, model.model.layers.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs) == (not CHANGES[change])


def test_columns_with_large_scores_are_spread_over_the_groups() -> None:
    scores = torch.tensor([[9.0, 8, 7, 6, 1, 2, 3, 4], [9.0, 8, 7, 6, 4, 3, 2, 1]])
    order = spread(scores)
    assert sorted(order.tolist()) == list(range(8))
    kept = scores[:, order].view(2, 2, 4).topk(2).values.sum((1, 2))
    assert kept.tolist() == [30, 30]  # the four largest of each row


def test_a_row_is_measured_and_compared_with_the_model_as_it_is(
    folder: Path, tmp_path: Path
) -> None:
    text, out = tmp_path / "text.txt", tmp_path / "table.json"
    text.write_text("".join(f"The brown fox number {n} jumps.\n" for n in range(99)))
    names = ("wanda, 2:4, as it is", "wanda, 2:4, all permuted")
    small = "--blocks 1 3 --windows 4 --seq-len 32 --eval-windows 2"
    given = [*small.split(), "--calibration", str(text), "--out", str(out), "--only", *names]
    main([*given, "--model", str(folder)])
    rows = json.loads(out.read_text())["rows"]
    assert list(rows) == [*names]
    first, second = (rows[name] for name in names)
    assert first["layers"] != second["layers"]
    change = second["states"] / first["states"] - 1
    line = f"| wanda | 2:4 | all permuted | {second['layers']:.4f} | "
    table = out.with_suffix(".md").read_text()
    assert line in table
    assert f"{change:+.1%} |" in table
