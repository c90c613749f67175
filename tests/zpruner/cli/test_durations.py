import pytest

from zpruner.cli.durations import duration_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (90.0, "1 min 30 s"),
        (3600.0, "1 h 0 min"),
        (12_300.0, "3 h 25 min"),
        (86_399.0, "23 h 59 min"),
        (776_302.0, "8 d 23 h"),
    ],
)
def test_a_duration_has_the_two_largest_of_its_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
