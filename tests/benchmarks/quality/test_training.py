"""The training table: its cells are jobs, and its figures are written in both texts' columns."""

import pytest

from benchmarks.quality.combinations import PATTERNS
from benchmarks.quality.training import COLUMNS, markdown
from benchmarks.quality.training_rows import TRAINING_ROWS, TrainingRow
from db.spec.combination import check_combination
from db.spec.prune_spec import PruneSpec


@pytest.mark.parametrize("row", TRAINING_ROWS, ids=lambda row: f"{row.name}, {row.windows}")
def test_every_row_is_a_job_that_is_accepted(row: TrainingRow) -> None:
    fields = {"model": "m", "dataset": "c4", "samples": row.windows, **PATTERNS["50 %"]}
    check_combination(PruneSpec.model_validate(fields | row.fields))


def test_a_cell_has_both_texts() -> None:
    written = markdown({"admm": {"2:4": {"perplexity": 62.432, "other": 90.04}}})
    assert written.splitlines()[-1] == "| admm |  |  |  | 62.43 (90.0) |"
    assert written.splitlines()[0] == f"| | {' | '.join(COLUMNS)} |"
