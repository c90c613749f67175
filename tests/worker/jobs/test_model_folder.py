"""What is handed over of the dense model's folder."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, random_ids, write_model
from worker.jobs.model_folder import copy_companions
from worker.jobs.prune import prune
from worker.jobs.resources import Resources


def test_a_link_out_of_the_allowed_folders_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root, out, cache = tmp_path / "root", tmp_path / "out", tmp_path / "cache"
    model = write_model(root / "tiny", FAMILIES["llama"])
    places = {"shared": root / "shared.txt", "cached": cache / "blob", "own": model / "words.txt"}
    for folder in (out, cache):
        folder.mkdir()
    for name, place in places.items():
        place.write_text(name)
        (model / f"{name}.txt").symlink_to(place)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    rows = root / "rows.jsonl"
    rows.write_text("".join(json.dumps({"input_ids": ids}) + "\n" for ids in _rows()))
    spec = PruneSpec(model="local:tiny", dataset="local:rows.jsonl", sparsity=0.5)

    for _ in prune(spec, out, Resources(model_roots=(root,), dataset_roots=(root,))):
        pass
    (tmp_path / "secret.txt").write_text("secret")
    (model / "secret.txt").symlink_to(tmp_path / "secret.txt")  # after the job was accepted
    copy_companions(model, out, (root,))

    texts = {path.name: path.read_text() for path in out.glob("*.txt")}
    assert texts == {f"{name}.txt": name for name in ("shared", "cached", "own")} | {
        "words.txt": "own"
    }
    assert "secret.txt is not copied" in caplog.text


def _rows() -> list[list[int]]:
    rows: list[list[int]] = random_ids(24, 16).tolist()
    return rows
