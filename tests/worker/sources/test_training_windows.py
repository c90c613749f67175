"""What recovery trains on: the calibration part, without what it holds out."""

from pathlib import Path
from typing import Any

import pytest
import torch

from db.spec.inputs.references import Builtin, DatasetReference
from tests.hub import Hub
from tests.worker.sources.builders import jsonl_gz
from tests.worker.sources.calls import decoded, id_rows, local, refusal
from worker.sources.calibration import CalibrationPart, held_out_count
from worker.sources.encoding import Tokenizer
from worker.sources.windows import Windows

TEXT = "".join(f"line {number:04}\n" for number in range(1000))  # 10,000 bytes, so as many tokens


def drawn(
    reference: DatasetReference,
    tokenizer: Tokenizer | None,
    number: int,
    *,
    used: int = 4,
    seed: int = 0,
    seq_len: int = 10,
    hold_out: bool = True,
) -> tuple[Windows, Windows]:
    part = CalibrationPart(reference, tokenizer, seq_len, hold_out=hold_out)
    return part.training_windows(number, used, seed)


def test_training_and_held_out_windows_are_different_pieces_of_the_calibration_part(
    tmp_path: Path, tokenizer: Any
) -> None:
    training, held_out = drawn(local(tmp_path, TEXT), tokenizer, 400)

    trained, watched = decoded(tokenizer, training), decoded(tokenizer, held_out)
    assert (len(set(trained)), len(set(watched))) == (400, 16)
    assert set(trained).isdisjoint(watched)
    assert max(trained + watched) < "line 0900", "the last tenth is for the evaluation"
    assert trained != sorted(trained)
    assert training.provenance["split"] == "all but the last tenth"
    assert training.provenance["rounds"] == 1


def test_the_seed_alone_decides_the_order(tmp_path: Path, tokenizer: Any) -> None:
    reference = local(tmp_path, TEXT)
    once, again, other = (drawn(reference, tokenizer, 100, seed=seed)[0].ids for seed in (0, 0, 1))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_a_short_text_is_used_several_times_and_the_provenance_says_so(
    tmp_path: Path, tokenizer: Any
) -> None:
    training, held_out = drawn(local(tmp_path, TEXT), tokenizer, 2000, hold_out=False)
    assert (len(training.ids), len(held_out.ids)) == (984, 16)
    assert training.provenance["rounds"] == 3
    assert "rounds" not in held_out.provenance


@pytest.mark.parametrize(("training", "held_out"), [(1, 1), (15, 1), (16, 2), (10_000, 16)])
def test_an_eighth_is_held_out_at_least_one_and_at_most_16(training: int, held_out: int) -> None:
    assert held_out_count(training) == held_out


def test_each_of_several_processes_has_a_window_of_those_held_out(tmp_path: Path) -> None:
    part = CalibrationPart(id_rows(tmp_path, 9), None, 4)
    training, held_out = part.training_windows(100, 6, 0, ranks=3)
    assert (len(training.ids), len(held_out.ids)) == (3, 3)
    assert "needs text for 7 windows" in refusal(part.training_windows, 100, 6, 0, ranks=6).reason


def test_of_rows_only_those_that_calibrate_are_trained_on_if_the_others_are_evaluated(
    tmp_path: Path,
) -> None:
    reference = id_rows(tmp_path, 9)
    training, held_out = drawn(reference, None, 100, used=6, seq_len=4)
    assert sorted([*training.ids[:, 0].tolist(), *held_out.ids[:, 0].tolist()]) == [
        *range(0, 60, 10)
    ]
    assert training.provenance["split"] == "the first 6 rows"
    everything, _ = drawn(reference, None, 100, used=6, seq_len=4, hold_out=False)
    assert len(everything.ids) == 8


def test_rows_that_the_evaluation_uses_as_well_are_not_trained_on(tmp_path: Path) -> None:
    refused = refusal(drawn, id_rows(tmp_path, 6), None, 100, used=6, seq_len=4)
    assert refused.code == "too_few_rows"
    assert "below 6, or name an eval_dataset" in refused.remedy


def test_less_text_than_two_windows_is_refused(tmp_path: Path, tokenizer: Any) -> None:
    refused = refusal(drawn, local(tmp_path, "a" * 100), tokenizer, 5, seq_len=60)
    assert (refused.field, refused.code) == ("dataset", "dataset_too_small")
    assert "has 1" in refused.reason


def test_long_documents_are_joined_in_random_order(datasets_hub: Hub, tokenizer: Any) -> None:
    documents = [letter * 40 for letter in "abcdefghijklmnopqrstuvwxyz" * 20]
    files = {
        "README.md": b"# C4",
        "en/c4-train.00000-of-01024.json.gz": jsonl_gz(documents),
        "en/c4-validation.00000-of-00008.json.gz": jsonl_gz(["held out"]),
    }
    datasets_hub.add_dataset("allenai/c4", files)
    training, held_out = drawn(Builtin("c4"), tokenizer, 8, seq_len=16)
    assert (len(training.ids), len(held_out.ids)) == (8, 1)
    assert len({*decoded(tokenizer, training), *decoded(tokenizer, held_out)}) > 4
