import re

from db.spec.descriptions.result_part import ResultPart
from db.spec.metrics import METRIC_NAMES, METRICS_OF_VALUES, OPTIONAL_METRICS, metrics_of
from db.spec.prune_spec import OPTIONS, PruneSpec

PARTS = [option.result for option in OPTIONS if option.result is not None]
UNITS = {"figure", "count", "bytes", "seconds", "percent", "share", "yes", "size", "error"}
_COMPARING = {
    "model": "a/b",
    "dataset": "c4",
    "method": "neurons",
    "target": {"bytes": 1, "candidates": ["depth"]},
}
KNOWN = {*METRIC_NAMES, *METRICS_OF_VALUES, *metrics_of(PruneSpec.model_validate(_COMPARING))} | {
    name for names in OPTIONAL_METRICS.values() for name in names
}


def values_in(part: ResultPart) -> list[tuple[str, str]]:
    cells = [cell for row in part.table for cell in row]
    texts = "".join([*part.facts.values(), *cells, part.note])
    return [(name, unit) for name, unit in re.findall(r"\{([^:]*):([^}]*)\}", texts)]


def test_each_value_that_a_part_of_a_result_shows_is_a_metric_in_a_known_unit() -> None:
    assert len(PARTS) >= 5
    for part in PARTS:
        values = values_in(part)
        names = [
            name.removeprefix("/") if name.startswith("/") else f"{part.group}.{name}"
            for name, _ in values
        ]
        assert names, part.group
        assert [name for name in names if name not in KNOWN] == []
        assert {unit for _, unit in values} <= UNITS


def test_a_part_is_shown_by_a_section_of_its_own_or_by_one_that_draws_something() -> None:
    assert [part.group for part in PARTS if not part.title] == ["recovery"]
    assert len({part.group for part in PARTS}) == len(PARTS)


def test_the_rows_of_a_table_have_a_cell_for_each_column() -> None:
    for part in PARTS:
        assert len({len(row) for row in part.table}) <= 1
