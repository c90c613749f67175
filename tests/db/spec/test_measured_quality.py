"""Advice about methods quotes the numbers that were measured."""

from pathlib import Path

import pytest

from db.spec.measured_quality import COLUMNS, DENSE, MODEL, PERPLEXITY, better_methods
from tests.factories import make_spec

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results" / "quality.md"


def test_the_numbers_are_those_of_the_last_measurement() -> None:
    lines = RESULTS.read_text().splitlines()
    rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]
    assert tuple(rows[0][1:]) == COLUMNS
    table = {name: tuple(map(float, cells)) for name, *cells in rows if name in PERPLEXITY}
    assert table == PERPLEXITY
    assert f"Perplexity of {MODEL} (dense: {DENSE})" in lines[-1]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "At 50 % zpruner reached perplexity 67.7"),
        ({}, "wanda 61.4 in the same time, alps 42.7 in several times that"),
        ({"sparsity": 0.62}, "At 60 % zpruner reached perplexity 185.0"),
        ({"sparsity": 0.9}, "At 70 % zpruner reached perplexity 1,224"),
        ({"pattern": "2:4"}, "At 2:4 zpruner reached perplexity 203.9"),
        ({"method": "ria", "pattern": "2:4"}, "(dense 28.7), alps 62.3"),
        ({"method": "wanda"}, "At 50 % wanda reached perplexity 61.4"),
    ],
)
def test_a_score_without_a_solver_gets_advice_on_better_methods(
    fields: dict[str, object], text: str
) -> None:
    (hint,) = better_methods(make_spec(**fields))
    assert text in hint


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "alps"},
        {"solver": "sparsegpt"},
        {"sparsity": 0.3},
        {"pattern": "1:4", "sparsity": 0.75},
    ],
)
def test_solvers_and_settings_that_were_not_measured_get_no_advice(
    fields: dict[str, object],
) -> None:
    assert better_methods(make_spec(**fields)) == []
