"""Jobs with a target: what they choose, write and say."""

import json
from pathlib import Path
from typing import Any

from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, random_ids, write_model
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end


def test_the_result_has_the_size_that_was_planned(tmp_path: Path) -> None:
    write_model(tmp_path / "dense", FAMILIES["llama"])
    rows = (json.dumps({"input_ids": ids}) for ids in random_ids(6, 32).tolist())
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    dense = _bytes(tmp_path / "dense")
    fields: dict[str, Any] = {
        "model": str(tmp_path / "dense"),
        "dataset": str(tmp_path / "rows.jsonl"),
        "samples": 4,
        "method": "neurons",
        "target": {"bytes": dense * 9 // 10},
    }
    out = tmp_path / "out"
    out.mkdir()

    run_to_end(prune(PruneSpec.model_validate(fields), out, Resources(device="cpu")))

    report = json.loads((out / "report.json").read_text())
    target = report["metrics"]["target"]
    assert target == {"size": _bytes(out), "limit": dense * 9 // 10}
    assert target["size"] <= target["limit"]
    assert report["spec"]["target"]["bytes"] == target["limit"]
    assert report["spec"]["ratio"] is None  # so that the job can be submitted again
    ratio = report["target"]["chosen"]["ratio"]
    removed, left = (report["metrics"][name] for name in ("parameters_removed", "parameters"))
    assert removed / (removed + left) < ratio  # which is of the blocks alone
    card = (out / "README.md").read_text()
    assert f"with a ratio of {ratio:g}" in card
    assert f"at most {target['limit']:,}, which is met with {target['size']:,}" in card


def _bytes(folder: Path) -> int:
    """Return the bytes of the tensors in a folder, without the headers of their files."""
    files = folder.glob("*.safetensors")
    return sum(
        file.stat().st_size - 8 - int.from_bytes(file.read_bytes()[:8], "little") for file in files
    )
