from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch

from db.spec.inputs.references import Builtin
from tests.worker.sources.builders import jsonl
from tests.worker.sources.calls import calibrate, id_rows, local, refusal
from worker.sources.datasets import (
    evaluation_windows,
    row_length,
)


def test_rows_of_ids_are_used_as_they_stand_in_order(tmp_path: Path) -> None:
    reference = id_rows(tmp_path, 3)

    windows = calibrate(reference, None, seq_len=4, samples=2, vocab_size=100)

    assert windows.ids.tolist() == [[0, 1, 2, 3], [10, 11, 12, 13]]
    assert windows.provenance["dataset_sha256"] == sha256(reference.path.read_bytes()).hexdigest()
    assert windows.provenance["split"] == "the first 2 rows"


def test_by_default_128_rows_of_ids_are_used_or_all_of_fewer(tmp_path: Path) -> None:
    assert len(calibrate(id_rows(tmp_path, 3), None, seq_len=4).ids) == 3
    assert len(calibrate(id_rows(tmp_path, 130), None, seq_len=4).ids) == 128


def test_rows_of_ids_for_evaluation_are_all_used(tmp_path: Path) -> None:
    reference = id_rows(tmp_path, 3)
    assert len(evaluation_windows(reference, None, seq_len=4).ids) == 3
    assert len(evaluation_windows(reference, None, seq_len=4, samples=2).ids) == 2


def test_rows_of_ids_hold_out_those_after_calibration(tmp_path: Path) -> None:
    reference = id_rows(tmp_path, 5)
    seen = calibrate(reference, None, seq_len=4, samples=3)
    held_out = evaluation_windows(reference, None, seq_len=4, held_out_by=seen)
    assert held_out.ids[:, 0].tolist() == [30, 40]
    assert held_out.provenance["split"] == "the rows after the first 3"


def test_if_no_row_is_left_the_calibration_windows_are_evaluated_and_the_provenance_says_so(
    tmp_path: Path,
) -> None:
    reference = id_rows(tmp_path, 3)
    seen = calibrate(reference, None, seq_len=4)
    for samples, count in ((None, 3), (2, 2)):
        again = evaluation_windows(reference, None, seq_len=4, samples=samples, held_out_by=seen)
        assert torch.equal(again.ids, seen.ids[:count])
        assert again.provenance["split"] == "calibration (nothing held out)"


def test_more_windows_than_rows_are_refused_with_the_number_to_use(tmp_path: Path) -> None:
    reference = id_rows(tmp_path, 3)
    refused = refusal(calibrate, reference, None, seq_len=4, samples=4)
    assert (refused.field, refused.value, refused.code) == ("samples", 4, "too_few_rows")
    assert "at most 3" in refused.remedy
    seen = calibrate(reference, None, seq_len=4, samples=1)
    options: dict[str, Any] = {"seq_len": 4, "samples": 3, "held_out_by": seen}
    refused = refusal(evaluation_windows, reference, None, **options)
    assert refused.field == "eval_samples"
    assert "at most 2" in refused.remedy


@pytest.mark.parametrize(
    ("row", "says"), [([1, 2, 3], "has 3 ids"), ([1, 2, 3, 99], "id 99"), ([1, 2, 3, "4"], '"4"')]
)
def test_a_row_that_does_not_fit_is_refused_with_its_line_even_behind_those_used(
    tmp_path: Path, row: Any, says: str
) -> None:
    reference = local(tmp_path, jsonl([[1, 2, 3, 4], row], "input_ids"), "ids.jsonl")
    refused = refusal(calibrate, reference, None, seq_len=4, samples=1, vocab_size=99)
    assert refused.code == "unreadable_dataset"
    assert "line 2" in refused.reason
    assert says in refused.reason


def test_an_error_in_the_evaluation_file_names_its_field(tmp_path: Path) -> None:
    reference = local(tmp_path, b"{", "ids.jsonl")
    assert refusal(evaluation_windows, reference, None, seq_len=4).field == "eval_dataset"


def test_the_length_of_rows_is_known_before_anything_is_cut(tmp_path: Path) -> None:
    assert row_length(id_rows(tmp_path, 2, length=7)) == 7
    assert row_length(local(tmp_path, "some text")) is None
    assert row_length(Builtin("c4")) is None
