"""OpenVINO computes what transformers does from a smaller model's folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from tests.handoffs.folders import write_dense, write_pruned
from tests.models import random_ids


def test_logits_of_a_smaller_model_in_openvino_are_those_in_transformers(tmp_path: Path) -> None:
    dense = write_dense(tmp_path / "dense")
    folder = write_pruned(tmp_path / "smaller", dense, method="neurons", ratio=0.25)
    ids = random_ids(1, 12, seed=5)

    words = (sys.executable, "-m", "tests.handoffs.openvino_model", str(folder))
    done = subprocess.run(
        words,
        input=json.dumps(ids.tolist()),
        env=os.environ | {"CI": "true"},  # no telemetry of OpenVINO's converter
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    found = torch.tensor(json.loads(done.stdout.splitlines()[-1]))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        torch.testing.assert_close(found, model(ids).logits, rtol=0, atol=1e-3)
