"""The groups of a job's options in the help, and the usual ones, which `--help` shows."""

import json
from importlib.resources import files

_JOB = "The job and its result"
_SHOWN = json.loads(files("zpruner.cli").joinpath("option_groups.json").read_text("utf-8"))

USUAL = frozenset({*_SHOWN["usual"], "gate_max"})
"""The options that most jobs need; `--help-all` shows all others, too."""

GROUPS: dict[str, list[str]] = _SHOWN["groups"]
GROUPS[_JOB] += [
    *("gate_max", "gate_min", "gate_confidence", "name", "label", "queue"),
    *(
        "priority",
        "not_before",
        "deadline",
        "max_cost",
        "min_memory_gb",
        "idempotency_key",
        "reuse",
    ),
]
"""The fields of a job in each group; the members of a field are in the group of the field."""

GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}
VARIED: list[str] = _SHOWN["varied"]
VARIED_LISTS: list[str] = _SHOWN["varied_lists"]
"""Fields that can vary in a sweep; of the second ones, each value is a list."""
