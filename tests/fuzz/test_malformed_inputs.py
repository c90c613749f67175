"""A thousand malformed inputs are each refused with a clear problem, or used without harm."""

from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.batches import reports
from tests.fuzz.jobs import KINDS, World

COUNTS = dict.fromkeys(KINDS, 6) | {
    **{"header": 280, "index": 240, "config": 160, "jsonl": 150, "csv": 60, "text": 40},
    **{"tokenizer": 10, "tokenizer_config": 20, "generation_config": 16, "parquet": 8},
}
"""How many inputs there are of each kind; of some, each takes a process or a data set."""


@pytest.mark.filterwarnings("default")  # libraries warn about what they are given
def test_a_thousand_malformed_inputs_are_refused_clearly_or_used_without_harm(
    tmp_path: Path,
) -> None:
    inputs = [(kind, number) for kind, count in COUNTS.items() for number in range(count)]
    assert len(inputs) >= 1000
    found = list(reports(World(tmp_path), inputs))
    assert [one for one in found if one.outcome.faults] == []
    assert Counter(one.input[0] for one in found) == COUNTS
    refused = {one.input[0] for one in found if one.outcome.code is not None}
    assert refused == set(KINDS)
