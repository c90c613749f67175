"""Models in transformers, as a benchmark runs them."""

import gc
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from tests.models import FAMILIES, random_ids, write_model
from worker.benchmark.runtime import Limits
from worker.benchmark.transformers_runtime import TransformersRuntime
from worker.pruning.base.errors import UnsupportedModelError

RUNTIME = TransformersRuntime(torch.device("cpu"), torch.float32)


def test_it_generates_all_tokens_whatever_the_folder_says(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    own = GenerationConfig(max_new_tokens=2, do_sample=True, temperature=2.0, eos_token_id=2)
    own.save_pretrained(tmp_path)
    ticks = count()
    with replace(RUNTIME, clock=lambda: float(next(ticks))).loaded(tmp_path) as model:
        timing = model.generate(random_ids(1, 8)[0].tolist(), 20)

    assert (timing.prefill_seconds, timing.decode_seconds) == (1, 19)


def test_a_loaded_model_is_counted_until_it_is_freed(tmp_path: Path) -> None:
    config = FAMILIES["llama"].from_dict(
        FAMILIES["llama"].to_dict() | {"vocab_size": 200_000, "hidden_size": 64}
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)  # two tables of 51 MB
    gc.collect()  # the memory of the written model would otherwise be freed during the measurement
    before = RUNTIME.used_bytes()
    with RUNTIME.loaded(tmp_path) as model:
        model.generate([1, 2, 3], 2)
        used = RUNTIME.used_bytes() - before
    assert used > 50e6


def test_limits_and_size_are_read_without_the_weights(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["gpt2-conv1d"])
    assert RUNTIME.limits(tmp_path) == Limits(96, 64)
    files = list(tmp_path.glob("*.safetensors"))
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(1000))
    assert RUNTIME.stored_bytes(tmp_path) == sum(file.stat().st_size for file in files)


def test_a_folder_with_an_adapter_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UnsupportedModelError, match="remove adapter_config"):
        RUNTIME.limits(tmp_path)


@pytest.mark.gpu
def test_on_a_gpu_the_memory_is_that_of_its_tensors(tmp_path: Path) -> None:
    write_model(tmp_path, FAMILIES["llama"])
    runtime = TransformersRuntime(torch.device("cuda:0"), torch.float32)
    before = runtime.used_bytes()
    with runtime.loaded(tmp_path) as model:
        weights = runtime.used_bytes() - before
        model.generate([1, 2, 3], 2)
    stored = runtime.stored_bytes(tmp_path)
    assert 0.9 * stored < weights < 2 * stored
