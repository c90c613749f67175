"""Write the JSON schema of a job's fields: ``python -m tools.job_schema``.

The CLI, ``zpruner``, reads the file that this module writes.
"""

import json
from pathlib import Path

from db.spec.prune_spec import PruneSpec

FILE = Path(__file__).parents[1] / "zpruner" / "cli" / "prune_spec.json"


def schema_text() -> str:
    return json.dumps(PruneSpec.model_json_schema(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    FILE.write_text(schema_text())


if __name__ == "__main__":
    main()
