"""The model, text and steps of jobs whose processes are killed."""

import json
from pathlib import Path

import pytest

from tests.models import FAMILIES, random_ids, write_model
from tests.worker.processes import STEP_TOKENS


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make steps of recoveries as small as in the process that is killed."""
    monkeypatch.setattr("worker.recovery.settings._FEWEST_BATCH_TOKENS", STEP_TOKENS)


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    write_model(tmp_path / "inputs" / "dense", FAMILIES["llama"])
    rows = ({"input_ids": ids} for ids in random_ids(24, 16).tolist())
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "inputs" / "rows.jsonl").write_text(text)
    return tmp_path / "inputs"
