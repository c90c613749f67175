"""What the jobs of a world are about."""

import json
from pathlib import Path

from tests.models import FAMILIES, random_ids, write_model


def write_inputs(folder: Path) -> None:
    """Write a model of three blocks and a few rows of ids."""
    write_model(folder / "dense", FAMILIES["llama"])
    rows = ({"input_ids": ids} for ids in random_ids(8, 16).tolist())
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
