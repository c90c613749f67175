"""The share of the evaluation text that was calibrated on."""

import pytest
import torch
from torch import Tensor

from tests.models import random_ids
from worker.evaluation.overlap import NGRAM, overlap


def by_loops(seen: list[Tensor], evaluation: Tensor) -> float:
    def runs(ids: Tensor) -> list[tuple[int, ...]]:
        last = ids.shape[1] - NGRAM
        return [tuple(row[at : at + NGRAM].tolist()) for row in ids for at in range(last + 1)]

    known = {run for ids in seen for run in runs(ids)}
    found = runs(evaluation)
    return sum(run in known for run in found) / len(found)


def test_it_is_the_share_of_runs_of_tokens_that_occur_in_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.evaluation.overlap._WINDOWS", 5)
    text = random_ids(1, 900, seed=1)[0]
    calibration = torch.stack([text[start : start + 40] for start in (0, 100, 333, 340)])
    training = text[500:560].view(2, 30)
    evaluation = text[:600].view(12, 50)
    evaluation[3] = evaluation[0]

    share = overlap([calibration, training], evaluation)

    assert share == by_loops([calibration, training], evaluation)
    assert share is not None
    assert 0.1 < share < 0.5
    assert overlap([evaluation], evaluation) == 1.0
    assert overlap([random_ids(9, 50, seed=2)], evaluation) == 0.0


def test_a_shared_run_shorter_than_thirteen_tokens_does_not_count() -> None:
    evaluation, seen = random_ids(1, 40, seed=1), random_ids(1, 40, seed=2)
    seen[0, 5 : 5 + NGRAM - 1] = evaluation[0, 9 : 9 + NGRAM - 1]
    assert overlap([seen], evaluation) == 0.0
    seen[0, 5 : 5 + NGRAM] = evaluation[0, 9 : 9 + NGRAM]
    assert overlap([seen], evaluation) == 1 / (40 - NGRAM + 1)


@pytest.mark.parametrize(
    ("seen", "evaluation", "expected"),
    [
        ((4, 20), (4, NGRAM - 1), None),
        ((4, 20), (0, 0), None),
        ((0, 20), (4, 20), 0.0),
        ((4, NGRAM - 1), (4, 20), 0.0),
    ],
)
def test_windows_without_runs_have_no_overlap(
    seen: tuple[int, int], evaluation: tuple[int, int], expected: float | None
) -> None:
    ids = [torch.ones(shape, dtype=torch.int64) for shape in (seen, evaluation)]
    assert overlap(ids[:1], ids[1]) == expected
