"""The table of quantised models: its rows are jobs, and it has their figures."""

import pytest

from benchmarks.quality.quantization import ROWS, markdown
from db.spec.combination import check_combination
from db.spec.prune_spec import PruneSpec


@pytest.mark.parametrize("name", ROWS)
def test_every_row_is_a_job_that_is_accepted(name: str) -> None:
    check_combination(PruneSpec.model_validate({"model": "m", "dataset": "c4"} | ROWS[name]))


def test_a_row_has_the_figures_of_its_job() -> None:
    row = {"perplexity": 44.567, "dense": 28.711, "sparsity": 0.5312, "bits_per_weight": 4.25}
    written = markdown({"50 %": row | {"bytes": 1.13e8, "seconds": 61.2}})
    assert written.splitlines()[-1] == "| 50 % | 44.57 | 28.71 | 53.1% | 4.25 | 113 MB | 61 |"
