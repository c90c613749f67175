"""Sweeps run in processes whose memory limit is lower than the checkpoint's size."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.llama import RandomLlama
from tests.worker.processes import run_to_end
from tests.worker.pruning.planning.limited import sweep_within

MODEL = RandomLlama(blocks=10, width=512, intermediate=2048, heads=8, vocabulary=1000)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limits") / "dense"
    MODEL.write(folder)
    return folder


def sweep(model: Path, out: Path, extra_bytes: int, method: str = "zpruner") -> dict[str, Any]:
    """Run a sweep with a limit of ``extra_bytes`` of memory beyond Python and its libraries."""
    out.mkdir()
    report = out.with_name("report.json")
    run_to_end(sweep_within, extra_bytes, model, out, method, report)
    result: dict[str, Any] = json.loads(report.read_text())
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
