"""The table of costs: each row over one forward pass, and over the row with less work."""

from benchmarks.quality.costs import FORWARD, WRITING, markdown


def test_a_row_with_more_work_is_compared_with_the_row_without_it() -> None:
    seconds = {FORWARD: 10.0, "best without mix": 100.0, "best": 104.0, WRITING: 150.0}
    header, _, forward, without, best, first, *_ = markdown(seconds, 4096).splitlines()
    assert header.count("|") == forward.count("|")
    assert forward == f"| {FORWARD} | 10.0 | 1.00 |  |  |  |"
    assert without == "| best without mix | 100.0 | 10.00 |  |  |  |"
    assert best == "| best | 104.0 | 10.40 |  | 1.04 of best without mix | 1.25 |"
    assert first == f"| {WRITING} | 150.0 | 15.00 |  | 1.50 of best without mix | 1.6 |"


def test_a_preset_has_its_limit_over_one_forward_pass() -> None:
    (row,) = (
        line for line in markdown({FORWARD: 10.0, "fast": 11.0}, 1).splitlines() if "fast" in line
    )
    assert row == "| fast | 11.0 | 1.10 | 1.25 |  |  |"
