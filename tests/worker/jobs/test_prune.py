"""A job reads each weight of its model twice, and its own result at most once."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from transformers import PretrainedConfig

from db.files.sealed_folder import seal
from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, MIXTURES, VOCABULARY, random_ids, write_model
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
def test_a_job_reads_each_weight_twice_writes_it_once_and_reads_its_result_at_most_once(
    name: str, tmp_path: Path, written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, pruned = counted_job(tmp_path, MODELS[name], monkeypatch)

    assert {tensor: times for tensor, times in source.items() if times != 2} == {}
    assert sorted(written) == sorted(pruned)
    read_back = {tensor for tensor, times in pruned.items() if times == 1}
    assert max(pruned.values()) == 1  # the head, which the evaluation takes
    assert not any(is_of_block(tensor) for tensor in read_back)


def test_further_texts_read_each_weight_once_more_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [write_rows(tmp_path / f"{seed}.jsonl", seed) for seed in (1, 2)]
    source, pruned = counted_job(tmp_path, MODELS["llama"], monkeypatch, eval_texts=texts)
    assert {times for tensor, times in source.items() if is_of_block(tensor)} == {3}
    assert {times for tensor, times in pruned.items() if is_of_block(tensor)} == {1}


def test_an_evaluation_is_one_pass_of_its_text_through_each_model(tmp_path: Path) -> None:
    few, many = (counted_tokens(tmp_path / str(count), eval_samples=count) for count in (1, 2))
    added = 16  # tokens of a window
    assert few.layers.keys() == many.layers.keys()
    assert {many.layers[place] - few.layers[place] for place in few.layers} == {2 * added}
    assert many.head - few.head == 2 * (added - 1)  # nothing follows the last one


@dataclass
class Passed:
    """How many tokens have passed through each layer of the blocks, and through the head."""

    layers: Counter[int]
    head: int = 0


def counted_tokens(folder: Path, **fields: Any) -> Passed:
    """Run a job; count the tokens with a hook of torch."""
    dense, out = write_model(folder / "dense", MODELS["llama"]), folder / "out"
    files = {"model": str(dense), "dataset": write_rows(folder / "rows.jsonl", 0)}
    out.mkdir()
    passed, places = Passed(Counter()), dict[nn.Module, int]()

    def count(module: nn.Module, _: Any, output: Any) -> None:
        if isinstance(module, nn.Linear):
            tokens = output.shape[:-1].numel()
            if output.shape[-1] == VOCABULARY:
                passed.head += tokens
            else:
                passed.layers[places.setdefault(module, len(places))] += tokens

    hook = register_module_forward_hook(count)
    try:
        spec = PruneSpec.model_validate(files | PATTERN | fields)
        run_to_end(prune(spec, out, Resources(device="cpu")))
    finally:
        hook.remove()
    return passed


def counted_job(
    folder: Path, config: PretrainedConfig, monkeypatch: pytest.MonkeyPatch, **fields: Any
) -> tuple[dict[str, int], dict[str, int]]:
    """Run a job; return how often it reads each tensor of its model and of its result."""
    dense, out = write_model(folder / "dense", config, torch.bfloat16), folder / "out"
    files = {"model": str(dense), "dataset": write_rows(folder / "rows.jsonl", 0)}
    out.mkdir()
    reads = CountedReads.begin(monkeypatch)
    spec = PruneSpec.model_validate(files | PATTERN | fields)
    result = run_to_end(prune(spec, out, Resources(device="cpu")))
    seal(out, result.digests)
    assert result.metrics["pruned_perplexity"]
    assert result.metrics["patterns"]["broken"] == 0
    assert len(result.metrics["kl"]) == 1 + len(spec.eval_texts)
    return reads.of_tensors(dense), reads.of_tensors(out)


def write_rows(path: Path, seed: int) -> str:
    """Write six windows of token ids; return the name of the text."""
    rows = ({"input_ids": ids} for ids in random_ids(6, 16, seed=seed).tolist())
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def is_of_block(tensor: str) -> bool:
    return ".layers." in tensor or ".h." in tensor
