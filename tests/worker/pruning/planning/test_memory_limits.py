"""Sweeps run in processes whose memory limit is lower than the checkpoint's size."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.llama import RandomLlama

ROOT = Path(__file__).parents[4]
MODEL = RandomLlama(blocks=10, width=512, intermediate=2048, heads=8, vocabulary=1000)

PROGRAM = """
import json, resource, sys
from pathlib import Path
import torch
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.memory import process_status_bytes
from worker.pruning.methods.registry import get_scorer
from worker.pruning.methods.patterns import Unstructured
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.model.meta_model import MetaModel

folder, out, extra = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)
torch.ones(256, 256) @ torch.ones(256, 256)
limit = process_status_bytes("VmData") + extra
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
meta_model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
size = meta_model.checkpoint.size_bytes(meta_model.checkpoint.tensors)
try:
    torch.empty(size, dtype=torch.uint8)
    binds = False
except RuntimeError:
    binds = True
ids = torch.arange(512).view(4, 128)
recipe = Recipe(get_scorer(sys.argv[4]), Unstructured(0.5))
try:
    reports = list(ModelPruner(meta_model, recipe, ids, ids[:1], out, token_loss).run())
    print(json.dumps({"size": size, "binds": binds, "zeros": sum(r.zeros for r in reports)}))
except InsufficientMemoryError as error:
    print(json.dumps({"size": size, "binds": binds, "refused": str(error)}))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limits") / "dense"
    MODEL.write(folder)
    return folder


def sweep(model: Path, out: Path, extra_bytes: int, method: str = "zpruner") -> dict[str, Any]:
    """Run a sweep with a limit of ``extra_bytes`` of memory beyond Python and its libraries."""
    out.mkdir()
    command = [sys.executable, "-c", PROGRAM, str(model), str(out), str(extra_bytes), method]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize(("method", "extra_mb"), [("zpruner", 110), ("gblm", 150)])
def test_a_checkpoint_larger_than_the_memory_limit_is_pruned(
    model: Path, tmp_path: Path, method: str, extra_mb: int
) -> None:
    result = sweep(model, tmp_path / "out", extra_mb * 1_000_000, method)
    weights = 10 * (4 * 512 * 512 + 3 * 512 * 2048)
    assert result["size"] > 150_000_000
    assert result["binds"]
    assert result["zeros"] == weights // 2
    assert (tmp_path / "out" / "model.safetensors.index.json").is_file()


def test_a_sweep_that_does_not_fit_raises_an_error_before_it_writes(
    model: Path, tmp_path: Path
) -> None:
    result = sweep(model, tmp_path / "out", 40_000_000)
    assert "RLIMIT_DATA leaves" in result["refused"]
    assert not list((tmp_path / "out").iterdir())
