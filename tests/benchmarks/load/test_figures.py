"""Percentiles and tables."""

import random

from benchmarks.load.figures import Load, percentile, table


def test_a_percentile_is_the_least_value_that_enough_values_do_not_exceed() -> None:
    chance = random.Random(0)
    for count in (1, 2, 3, 99, 100, 101, 250):
        values = [chance.randrange(50) for _ in range(count)]
        for percent in (1, 50, 90, 99, 100):
            enough = [
                value
                for value in values
                if sum(one <= value for one in values) * 100 >= percent * count
            ]
            assert percentile(values, percent) == min(enough)


def test_errors_are_refusals_broken_connections_and_missing_responses() -> None:
    load = Load(seconds=[0.1], lasted_s=2.0, unanswered=3)
    load.statuses.update([200, 304, 304, 401, 503])
    load.errors["ConnectionResetError"] = 4
    row = load.row()
    assert (row["errors"], row["share_of_304"], row["requests_per_second"]) == (9, 0.4, 2.5)


def test_a_table_has_a_column_for_each_figure() -> None:
    drawn = table([{"p50_ms": 1.25, "what": "a"}, {"p50_ms": 10.0, "what": "b"}])
    assert drawn == "|  | p50, ms |\n|---|---:|\n| a | 1.2 |\n| b | 10.0 |"
