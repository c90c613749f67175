"""A job reads each weight of its model twice, and its own result at most once."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PretrainedConfig

from db.files.sealed_folder import seal
from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, MIXTURES, random_ids, write_model
from tests.worker.counted_reads import CountedReads
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end

MODELS: dict[str, PretrainedConfig] = {
    "llama": FAMILIES["llama"],
    "llama-tied": FAMILIES["llama-tied"],
    "gpt2-conv1d": FAMILIES["gpt2-conv1d"],
    "llama4-stacked": MIXTURES["llama4-bmm"],
}
PATTERN: dict[str, Any] = {"method": "wanda", "pattern": "2:4", "samples": 4, "eval_samples": 2}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tensors that are written, each time."""
    names: list[str] = []

    def save(tensors: dict[str, Tensor], *args: Any, **kwargs: Any) -> None:
        names.extend(tensors)
        save_file(tensors, *args, **kwargs)

    monkeypatch.setattr("worker.pruning.base.durable_files.save_file", save)
    return names


@pytest.mark.parametrize("name", MODELS)
def test_a_job_reads_each_weight_twice_and_compares_what_it_has_written_once(
    name: str, tmp_path: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dense, out = write_model(tmp_path / "dense", MODELS[name], torch.bfloat16), tmp_path / "out"
    rows = ({"input_ids": ids} for ids in random_ids(6, 16).tolist())
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {"model": str(dense), "dataset": str(tmp_path / "rows.jsonl")}
    out.mkdir()
    reads = CountedReads.begin(monkeypatch)

    result = run_to_end(
        prune(PruneSpec.model_validate(files | PATTERN), out, Resources(device="cpu"))
    )
    seal(out, result.digests)

    assert result.metrics["pruned_perplexity"]
    assert result.metrics["patterns"]["broken"] == 0
    source, pruned = reads.of_tensors(dense), reads.of_tensors(out)
    head = {tensor for tensor in source if ".layers." not in tensor and ".h." not in tensor}
    # Twice by the sweep, and once by the comparison of both models; what is outside the blocks is
    # also compared byte by byte, and may be loaded as embedding and as head.
    assert {source[tensor] for tensor in source.keys() - head} == {3}
    assert max(source[tensor] for tensor in head) <= 6
    assert sorted(written) == sorted(pruned)
    assert {pruned[tensor] for tensor in source.keys() - head} == {1}
    assert max(pruned.values()) <= 5  # the head, which the evaluation takes, too
