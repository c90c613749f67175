"""The quality table's own arithmetic and drawing; what it measures is measured elsewhere."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.quality.chart import chart
from benchmarks.quality.combinations import COMBINATIONS, PATTERNS, QUICK
from benchmarks.quality.table import Table
from db.spec.combination import check_combination
from db.spec.prune_spec import PruneSpec

PROTOCOL: dict[str, object] = {
    "model": "small",
    "dataset": "a.txt",
    "eval_dataset": "b.txt",
    "samples": 2,
    "seq_len": 8,
}


def _metrics(perplexity: float) -> dict[str, object]:
    return {
        "pruned_perplexity": perplexity,
        "dense_perplexity": 10.0,
        "sparsity": 0.5,
        "prune_seconds": 1.0,
        "protocol": {"tokens": 1024},
    }


def test_every_cell_is_a_job_that_is_accepted() -> None:
    for combination in COMBINATIONS:
        for pattern in combination.patterns:
            fields = {"model": "m", "dataset": "c4", **PATTERNS[pattern], **combination.fields}
            check_combination(PruneSpec.model_validate(fields))


def test_the_quick_cells_are_cells_of_the_table() -> None:
    cells = {(one.name, pattern) for one in COMBINATIONS for pattern in one.patterns}
    assert {(name, pattern) for name, patterns in QUICK.items() for pattern in patterns} <= cells


def test_a_table_is_continued_after_an_interruption(tmp_path: Path) -> None:
    Table.open(tmp_path / "t.json", PROTOCOL, resume=False).put("wanda", "2:4", _metrics(20))
    again = Table.open(tmp_path / "t.json", PROTOCOL, resume=True)
    assert again.perplexity("wanda", "2:4") == 20
    assert again.perplexity("wanda", "50 %") is None


def test_a_table_of_another_protocol_is_not_continued(tmp_path: Path) -> None:
    Table.open(tmp_path / "t.json", PROTOCOL, resume=False).put("wanda", "2:4", _metrics(20))
    with pytest.raises(SystemExit, match="another protocol"):
        Table.open(tmp_path / "t.json", PROTOCOL | {"samples": 3}, resume=True)


def test_the_best_of_each_column_is_bold_and_empty_rows_are_left_out(tmp_path: Path) -> None:
    table = Table.open(tmp_path / "t.json", PROTOCOL, resume=False)
    table.put("wanda", "50 %", _metrics(20.25))
    table.put("alps", "50 %", _metrics(12))
    table.put("wanda", "2:4", _metrics(30))
    lines = table.markdown(["magnitude", "wanda", "alps"], ["50 %", "2:4"]).splitlines()
    assert lines[2:4] == ["| wanda | 20.25 | **30.00** |", "| alps | **12.00** |  |"]
    assert "small (dense: 10.00)" in lines[-1]
    assert "2 x 8 tokens of a.txt" in lines[-1]
    assert "first 1,024 of b.txt" in lines[-1]


def test_the_chart_is_an_svg_with_a_mark_for_each_value_and_no_mark_for_none() -> None:
    drawn = ElementTree.fromstring(chart(["a", "b"], {"x < y": [20, 40], "z": [30, None]}, 10))
    texts = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    marks = [one for one in drawn.iter() if one.tag.endswith("circle") and len(one)]
    assert {"a", "b", "x < y", "z", "dense 10.0"} <= set(texts)
    assert len(marks) == 3
    at_20, at_40, at_30 = (float(mark.get("cx", "nan")) for mark in marks)  # best row first
    assert at_20 < at_30 < at_40


def test_what_lies_far_off_is_an_arrow_and_leaves_the_others_their_room() -> None:
    near = ElementTree.fromstring(chart(["a", "b"], {"x": [20, 400]}, 10))
    far = ElementTree.fromstring(chart(["a", "b"], {"x": [20, 400], "y": [4e6, None]}, 10))
    arrows = [one for one in far.iter() if one.tag.endswith("polygon")]
    assert [arrow[0].text for arrow in arrows] == ["4,000,000.00"]
    at_20 = [_places(drawn)[0] for drawn in (near, far)]
    assert at_20[1] > 0.9 * at_20[0]


def _places(drawn: ElementTree.Element) -> list[float]:
    """Return where the dots are, from left to right; the legend's have no title."""
    dots = [one for one in drawn.iter() if one.tag.endswith("circle") and len(one)]
    return sorted(float(dot.get("cx", "nan")) for dot in dots)
