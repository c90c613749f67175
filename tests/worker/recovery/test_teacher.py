"""The dense model's stored predictions, compared with transformers' whole model."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, VOCABULARY, random_ids, write_model
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.losses import log_shares
from worker.recovery.planning import sizes
from worker.recovery.teacher import Teacher

WINDOWS = random_ids(5, 16, seed=1)
CPU = torch.device("cpu")


@pytest.mark.parametrize("family", ["llama", "gpt2-conv1d"])
@pytest.mark.parametrize("top", [8, sizes.TOP])
def test_stored_predictions_are_those_of_the_whole_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, top: int
) -> None:
    monkeypatch.setattr(sizes, "TOP", top)
    monkeypatch.setattr("worker.recovery.teacher.CHUNK_TOKENS", {"cpu": 48})  # three windows
    dense = MetaModel.open(write_model(tmp_path / "dense", FAMILIES[family]), torch.float32, CPU)
    (folder := tmp_path / "teacher").mkdir()
    teacher = Teacher(folder, WINDOWS, 2.0, CPU)

    assert teacher.chunks == 2
    for chunk in range(teacher.chunks):
        assert list(teacher.compute(dense, chunk)) == [0, 1, 2]
    targets = teacher.targets([4, 0])

    whole = AutoModelForCausalLM.from_pretrained(tmp_path / "dense", dtype=torch.float32).eval()
    with torch.no_grad():
        logits = whole(WINDOWS[[4, 0]], use_cache=False).logits[:, :-1].flatten(0, 1)
    best = logits.topk(min(top, VOCABULARY - 1)).indices
    assert torch.equal(targets.indices.sort(1).values, best.sort(1).values)
    want = log_shares(logits, targets.indices, 2.0)
    torch.testing.assert_close(targets.log_shares.exp(), want.exp(), rtol=1e-2, atol=1e-5)
    torch.testing.assert_close(targets.log_shares.exp().sum(1), torch.ones(len(want)))
    assert {path.name for path in folder.iterdir()} == {
        "teacher-00000.safetensors",
        "teacher-00001.safetensors",
    }
