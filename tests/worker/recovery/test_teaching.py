"""Predictions of a dense model that a later recovery finds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.worker.recovery.recoveries import (
    Models,
    digests,
    finish,
    open_recovery,
    recovery_of,
)
from worker.recovery import teacher
from worker.recovery.results import RecoveryProgress
from worker.recovery.settings import Kind

BLOCKS = 3


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two chunks of eight windows run through the dense model."""
    monkeypatch.setattr(teacher, "CHUNK_TOKENS", {"cpu": 128})


@pytest.fixture
def known(models: Models, tmp_path: Path) -> Path:
    """The folder in which an earlier recovery has stored two chunks."""
    assert chunks(models, tmp_path / "earlier", tmp_path / "known") == 2
    return tmp_path / "known"


def chunks(models: Models, out: Path, known: Path, temperature: float = 2.0, **given: Any) -> int:
    """Begin a recovery; return how many chunks run through the dense model."""
    recovery = replace(recovery_of("masked", 2), temperature=temperature)
    count, steps = 0, open_recovery(models, out, recovery, known=known, **given).run()
    while next(steps).stage == "teacher":
        count += 1
    steps.close()
    return count // BLOCKS


@pytest.mark.parametrize("kind", ["masked", "spp"])
def test_a_later_recovery_reads_what_the_dense_model_predicted_and_writes_the_same_bytes(
    models: Models, tmp_path: Path, known: Path, kind: Kind
) -> None:
    seen: list[RecoveryProgress] = []
    finish(open_recovery(models, tmp_path / "one", recovery_of(kind, 2), known=known), seen.append)
    assert "teacher" not in {progress.stage for progress in seen}
    finish(open_recovery(models, tmp_path / "two", recovery_of(kind, 2)))
    assert digests(tmp_path / "one") == digests(tmp_path / "two") != {}


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({}, 0),
        ({"temperature": 1.5}, 2),
        ({"seed": 1}, 1),  # the held-out windows, which are the first chunk, are the same
        ({"dtype": torch.bfloat16}, 2),
    ],
)
def test_predictions_are_read_for_the_same_windows_temperature_and_dtype(
    models: Models, tmp_path: Path, known: Path, given: dict[str, Any], count: int
) -> None:
    assert chunks(models, tmp_path / "later", known, **given) == count


def test_damaged_predictions_are_computed_again(
    models: Models, tmp_path: Path, known: Path
) -> None:
    file = next((known / "predictions").iterdir())
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert chunks(models, tmp_path / "later", known) == 1
    assert file.read_bytes() == content


@pytest.mark.parametrize(("most", "is_stored"), [(16 * 16 * 6 * 512, True), (786_431, False)])
def test_predictions_that_would_take_the_whole_folder_are_not_stored(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, is_stored: bool
) -> None:
    monkeypatch.setattr(teacher, "MOST_BYTES", most)
    chunks(models, tmp_path / "out", tmp_path / "known")
    assert (tmp_path / "known").exists() == is_stored
