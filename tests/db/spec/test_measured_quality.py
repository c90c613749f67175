"""What advice quotes is what was measured."""

from pathlib import Path

from db.spec import measured_quality as measured
from db.spec.measured_quality import COLUMNS, DENSE, MODEL, PERPLEXITY
from db.spec.pruning.presets import PresetName

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results"


def rows(file: Path) -> dict[str, list[str]]:
    """Return the cells of each row by its first cell, without emphasis; of equal ones the first."""
    lines = [line for line in file.read_text().splitlines() if line.startswith("|")]
    cells = [
        [cell.strip(" *") for cell in line.strip("|").replace("**", "").split("|")]
        for line in lines
    ]
    return {first: others for first, *others in reversed(cells)}


def test_the_numbers_are_those_of_the_last_measurement() -> None:
    table = rows(RESULTS / "quality.md")
    assert tuple(table[""]) == COLUMNS
    found = {name: tuple(map(float, table[name])) for name in PERPLEXITY}
    assert found == PERPLEXITY
    text = (RESULTS / "quality.md").read_text()
    assert f"Perplexity of {MODEL} (dense: {DENSE})" in text.splitlines()[-1]


def test_the_figures_of_owl_are_those_of_the_same_table() -> None:
    table = rows(RESULTS / "quality.md")
    found = {
        name: tuple(float(cell) for cell in table[f"{name}, owl"] if cell)
        for name in measured.WITH_OWL
    }
    assert found == measured.WITH_OWL


def test_the_figures_of_presets_are_those_of_their_benchmarks() -> None:
    fast, balanced = PresetName.fast, PresetName.balanced
    table = rows(RESULTS / "training.md")
    cells = [float(cell.split()[0]) for cell in table["admm, refine, 16 windows"]]
    assert tuple(cells) == measured.OF_PRESET[balanced]
    costs = rows(RESULTS / "costs.md")
    assert {name: float(costs[name][1]) for name in (fast, balanced)} == measured.FORWARD_PASSES


def test_the_figures_of_mixes_are_those_of_the_docs() -> None:
    table = rows(ROOT / "docs" / "methods" / "recovery.md")
    names = ("the calibration text alone", "half generated")
    worst = tuple(max(float(cell.split()[0]) for cell in table[name]) for name in names)
    assert worst == (measured.WORST_OF_ONE_TEXT, measured.WORST_OF_HALF_GENERATED)
    writing = rows(RESULTS / "costs-of-best.md")["best, first job"][3]
    assert writing == f"{measured.FIRST_WRITING} of best without mix"
