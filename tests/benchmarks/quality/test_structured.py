"""The table of smaller models: its rows are jobs, and it has their figures."""

import pytest

from benchmarks.quality.structured import markdown
from benchmarks.quality.structured_rows import DENSE, OF_DENSE_MODELS, RATIOS, ROWS
from db.spec.combination import check_combination
from db.spec.prune_spec import PruneSpec


@pytest.mark.parametrize("name", [name for name in ROWS if name != DENSE])
def test_every_row_is_of_jobs_that_are_accepted(name: str) -> None:
    for fields in ROWS[name]:
        check_combination(PruneSpec.model_validate({"model": "m", "dataset": "c4"} | fields))


def test_every_method_that_removes_units_has_rows_with_and_without_training() -> None:
    for method in OF_DENSE_MODELS:
        found = [jobs for jobs in ROWS.values() if [one["method"] for one in jobs] == [method]]
        assert sum("refine" in jobs[0] for jobs in found) == 4
        assert sum("recover" in jobs[0] for jobs in found) == 2
        assert len(found) == 6


def test_two_jobs_keep_as_much_as_one() -> None:
    for ratio in RATIOS:
        first, second = ROWS[f"depth, then neurons {ratio:g}, refine, recover"]
        assert (1 - first["ratio"]) * (1 - second["ratio"]) == pytest.approx(1 - ratio)
        assert "recover" not in first


def test_a_row_has_the_figures_of_its_models() -> None:
    sizes = {"parameters": 99_000_000, "bytes": 1.98e8}
    perplexities = {"perplexity": 44.567, "other": 61.23, "other_dense": 61.23}
    dense_figures = {"dtype": "bfloat16"} | sizes | perplexities
    figures = dense_figures | {"dtype": "float32", "other": 80.1}
    speed = {
        "prefill_ratio": 1.25,
        "decode_ratio": 1.5,
        "pruned_prefill_tokens_per_second": 1234.4,
        "pruned_decode_tokens_per_second": 41.6,
        "intervals": {"prefill_ratio": [1.2, 1.31], "decode_ratio": [1.48, 1.55]},
    }
    row = figures | {"speed": {"transformers": speed, "llama.cpp": speed}}
    protocol = {"model": "small", "windows": 64, "type": "f16"}
    table = {"protocol": protocol, "rows": {"depth 0.25": row, DENSE: dense_figures}}

    _, _, dense, smaller, *_ = markdown(table).splitlines()

    assert dense == "| dense | 44.57 (1.00) | 99,000,000 | 198 MB | 1 | 1 | 1 | 1 |"
    both = "1234, 1.25 (1.20 to 1.31) | 42, 1.50 (1.48 to 1.55)"
    assert (
        smaller == f"| depth 0.25, float32 | 44.57 (1.31) | 99,000,000 | 198 MB | {both} | {both} |"
    )
