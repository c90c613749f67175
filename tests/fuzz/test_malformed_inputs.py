"""A thousand malformed inputs are each refused with a clear problem, or used without harm."""

from collections import Counter
from pathlib import Path

import pytest

from tests.fuzz.batches import reports
from tests.fuzz.jobs import KINDS, World

COUNTS = dict.fromkeys(KINDS, 4) | {
    **{"header": 340, "index": 300, "config": 160, "jsonl": 110, "csv": 30, "text": 20},
    **{"compact header": 150, "compact original": 120, "compact data": 120},
    **{"tokenizer": 7, "tokenizer_config": 12, "generation_config": 8, "parquet": 6},
}
"""How many inputs there are of each kind; of some, each takes a process or a data set."""


@pytest.mark.filterwarnings("default")  # libraries warn about what they are given
def test_a_thousand_malformed_inputs_are_refused_clearly_or_used_without_harm(
    tmp_path: Path,
) -> None:
    inputs = [(kind, number) for kind, count in COUNTS.items() for number in range(count)]
    assert len(inputs) >= 1000
    found = list(reports(World(tmp_path), inputs))
    assert [(*one.input, fault) for one in found for fault in one.outcome.faults] == []
    assert Counter(one.input[0] for one in found) == COUNTS
    refused = {one.input[0] for one in found if one.outcome.code is not None}
    assert refused == set(KINDS)
