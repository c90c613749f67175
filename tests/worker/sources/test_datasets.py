from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.spec.inputs.references import Builtin
from tests.worker.sources.builders import jsonl
from tests.worker.sources.calls import calibrate, decoded, local, refusal
from worker.sources import stdlib
from worker.sources.datasets import (
    evaluation_windows,
)

TEXT = "".join(f"line {number:04}\n" for number in range(1000))  # 10,000 bytes, so as many tokens


def test_calibration_windows_are_pieces_of_the_text_the_same_for_the_same_seed(
    tmp_path: Path, tokenizer: Any
) -> None:
    reference = local(tmp_path, TEXT)

    once = calibrate(reference, tokenizer, samples=20)
    again = calibrate(reference, tokenizer, samples=20)
    other = calibrate(reference, tokenizer, samples=20, seed=1)

    assert once.ids.shape == (20, 8)
    assert once.ids.dtype == torch.int64
    assert torch.equal(once.ids, again.ids)
    assert once.provenance == again.provenance
    assert not torch.equal(once.ids, other.ids)
    assert all(piece in TEXT for piece in decoded(tokenizer, once))


def test_evaluation_windows_follow_each_other_from_the_start_without_the_rest(
    tmp_path: Path, tokenizer: Any
) -> None:
    reference = local(tmp_path, "abcdefgh" * 3 + "rest")
    windows = evaluation_windows(reference, tokenizer, seq_len=8)
    assert decoded(tokenizer, windows) == ["abcdefgh"] * 3
    assert (windows.provenance["stride"], windows.provenance["split"]) == (8, "all")


def test_evaluation_samples_take_the_first_windows(tmp_path: Path, tokenizer: Any) -> None:
    reference = local(tmp_path, "abcdefgh" * 3)
    assert len(evaluation_windows(reference, tokenizer, seq_len=8, samples=2).ids) == 2
    refused = refusal(evaluation_windows, reference, tokenizer, seq_len=8, samples=4)
    assert (refused.field, refused.value) == ("eval_samples", 4)
    assert "at most 3" in refused.remedy


def test_the_model_card_describes_the_texts_exactly(tmp_path: Path, tokenizer: Any) -> None:
    reference = local(tmp_path, "abcdefgh" * 3)
    card = evaluation_windows(reference, tokenizer, seq_len=8).provenance
    letters = torch.tensor(tokenizer("abcdefgh" * 3, add_special_tokens=False)["input_ids"])
    assert card == {
        "dataset": "local:text.txt",
        "dataset_sha256": sha256(b"abcdefgh" * 3).hexdigest(),
        "split": "all",
        "documents": 1,
        "joiner": "\n\n",
        "stride": 8,
        "tokens": 24,
        "window": 8,
        "windows": 3,
        "bos": False,
        "token_ids_sha256": sha256(letters.numpy().tobytes()).hexdigest(),
    }


def test_line_ends_reach_the_tokenizer_as_they_are(tmp_path: Path, tokenizer: Any) -> None:
    reference = local(tmp_path, b"a\r\nb\rc\nde")
    assert decoded(tokenizer, evaluation_windows(reference, tokenizer, seq_len=9)) == [
        "a\r\nb\rc\nde"
    ]


def test_documents_are_joined_by_an_empty_line(tmp_path: Path, tokenizer: Any) -> None:
    reference = local(tmp_path, jsonl(["ab", "", "cd"]), "rows.jsonl")
    assert decoded(tokenizer, evaluation_windows(reference, tokenizer, seq_len=8)) == [
        "ab\n\n\n\ncd"
    ]


def test_a_text_holds_out_its_last_tenth_at_a_line_break(tmp_path: Path, tokenizer: Any) -> None:
    reference = local(tmp_path, TEXT)

    seen = calibrate(reference, tokenizer, samples=4000, seq_len=10)
    held_out = evaluation_windows(reference, tokenizer, seq_len=10, held_out_by=seen)

    assert "".join(decoded(tokenizer, held_out)) == TEXT[-1000:]
    assert not set(decoded(tokenizer, held_out)) & set(decoded(tokenizer, seen))
    assert held_out.provenance["split"] == "last tenth"


def test_rows_of_text_hold_out_their_last_tenth(tmp_path: Path, tokenizer: Any) -> None:
    letters = [letter * 8 for letter in "abcdefghijklmnopqrst"]
    reference = local(tmp_path, jsonl(letters), "rows.jsonl")

    seen = calibrate(reference, tokenizer, samples=500)
    held_out = evaluation_windows(reference, tokenizer, seq_len=18, held_out_by=seen)

    assert decoded(tokenizer, held_out) == ["ssssssss\n\ntttttttt"]
    assert not {"s", "t"} & set("".join(decoded(tokenizer, seen)))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet="ab\n", min_size=40, max_size=400).filter(str.strip))
def test_calibration_and_what_is_held_out_make_up_the_text(
    tmp_path: Path, tokenizer: Any, text: str
) -> None:
    reference = local(tmp_path, text)
    seen = calibrate(reference, tokenizer, samples=1, seq_len=1)
    kept = calibrate(reference, tokenizer, samples=1, seq_len=2).provenance
    held_out = evaluation_windows(reference, tokenizer, seq_len=1, held_out_by=seen)
    assert text.endswith("".join(decoded(tokenizer, held_out)))
    assert kept["split"] == "all but the last tenth"
    assert held_out.ids.numel() <= len(text) * 3 / 20 + 1


def test_without_a_hold_out_the_whole_text_calibrates(tmp_path: Path, tokenizer: Any) -> None:
    reference = local(tmp_path, "abcdefghij")
    windows = calibrate(reference, tokenizer, seq_len=10, hold_out=False)
    assert decoded(tokenizer, windows) == ["abcdefghij"]


def test_by_default_a_short_text_gives_as_many_windows_as_it_has_room_for(
    tmp_path: Path, tokenizer: Any
) -> None:
    assert len(calibrate(local(tmp_path, TEXT), tokenizer, seq_len=1000).ids) == 9
    assert len(calibrate(local(tmp_path, TEXT), tokenizer, seq_len=8).ids) == 128
    assert len(calibrate(local(tmp_path, TEXT), tokenizer, seq_len=1000, samples=30).ids) == 30


def test_a_text_shorter_than_a_window_is_refused_with_the_length_that_fits(
    tmp_path: Path, tokenizer: Any
) -> None:
    refused = refusal(calibrate, local(tmp_path, "a" * 100), tokenizer, seq_len=91)
    assert (refused.code, refused.field) == ("dataset_too_small", "dataset")
    assert "at most 90" in refused.remedy
    seen = calibrate(local(tmp_path, "a" * 100), tokenizer, seq_len=90)
    refused = refusal(
        evaluation_windows, local(tmp_path, "a" * 100), tokenizer, seq_len=90, held_out_by=seen
    )
    assert refused.field == "dataset"
    assert "eval_dataset" in refused.remedy


def test_text_for_a_model_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    refused = refusal(calibrate, local(tmp_path, TEXT), None)
    assert refused.code == "no_tokenizer"
    assert "input_ids" in refused.remedy


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path, tokenizer: Any) -> None:
    refused = refusal(calibrate, local(tmp_path, TEXT), tokenizer, vocab_size=10)
    assert refused.code == "foreign_tokenizer"


def test_the_docstrings_of_the_library_are_a_text_of_some_length() -> None:
    documents = stdlib.documents()
    assert len(documents) > 300
    assert sum(map(len, documents)) > 1_000_000
    assert any(text.startswith("Command-line parsing library") for text in documents)


def test_the_code_of_the_library_has_neither_docstrings_nor_licences_and_is_bounded() -> None:
    documents = stdlib.code()
    assert len(documents) > 300
    assert max(text.count("\n") for text in documents) == stdlib.CODE_LINES - 1
    calendar = next(text for text in documents if "def isleap(year):" in text)
    assert calendar.startswith("import sys\nimport datetime\n")
    assert "Return True for leap years" not in calendar
    assert not any(text.startswith("#") for text in documents)


def test_every_tenth_module_is_held_out(tokenizer: Any) -> None:
    reference = Builtin("stdlib-docs")
    seen = calibrate(reference, tokenizer, samples=4, seq_len=64)
    held_out = evaluation_windows(reference, tokenizer, seq_len=64, samples=100, held_out_by=seen)
    text = "\n\n".join(stdlib.documents()[9::10])
    assert decoded(tokenizer, held_out) == [
        text.encode()[at : at + 64].decode(errors="replace") for at in range(0, 6400, 64)
    ]
    assert seen.provenance["dataset_sha256"] != held_out.provenance["dataset_sha256"]
    assert seen.provenance["revision"].startswith("Python 3.")
