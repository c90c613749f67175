"""Two models, measured in turns by a clock that counts operations."""

import json
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from db.spec.metrics import BENCHMARK_METRICS
from db.spec.quality_gate import metric_value
from tests.models import FAMILIES, write_model
from tests.worker.benchmark.counting import operations_clock
from worker.benchmark.comparison import Comparison, compare
from worker.benchmark.runtime import Limits
from worker.benchmark.measurement import NEW_TOKENS, Measurement, draw_prompt, measure
from worker.benchmark.rounds import ROUNDS, Round
from worker.benchmark.transformers_runtime import TransformersRuntime
from worker.pruning.base.generators import run_to_end

RUNTIME = TransformersRuntime(torch.device("cpu"), torch.float32)
POSITIONS = 120
WIDTH, HIDDEN, KEYS, VOCABULARY = 32, 48, 16, 96  # of the Llama in tests.models


def compared(dense: Path, pruned: Path) -> Comparison:
    prompt = draw_prompt([RUNTIME.limits(dense), RUNTIME.limits(pruned)])
    with operations_clock() as clock:
        return run_to_end(compare(replace(RUNTIME, clock=clock), dense, pruned, prompt))


def write_family(folder: Path, family: str, **changes: int) -> Path:
    config = deepcopy(FAMILIES[family])
    for name, value in (changes | {"max_position_embeddings": POSITIONS}).items():
        setattr(config, name, value)
    return write_model(folder, config, torch.float32)


def write_zeros(dense: Path, pruned: Path) -> None:
    """Write a copy of a model in which half of the weights are zero."""
    shutil.copytree(dense, pruned)
    for shard in pruned.glob("*.safetensors"):
        tensors = load_file(shard)
        kept = {name: weight * (weight > weight.median()) for name, weight in tensors.items()}
        save_file(kept, shard, metadata={"format": "pt"})


def test_zeros_are_no_speed_up_and_no_smaller_file(tmp_path: Path) -> None:
    dense = write_family(tmp_path / "dense", "llama", num_hidden_layers=2)
    write_zeros(dense, tmp_path / "pruned")

    comparison = compared(dense, tmp_path / "pruned")

    for name in ("prefill", "decode"):
        ratio = comparison.ratios[name]
        assert ratio.low == ratio.value == ratio.high == 1
    summary = comparison.summary()
    assert summary[0] == "Reading the prompt: no speed-up, 1 times the speed (1 to 1)."
    assert summary[1] == "Generating: no speed-up, 1 times the speed (1 to 1)."
    assert summary[3] == "Files: 1 times the size."


def test_half_of_the_blocks_is_nearly_half_of_the_operations(tmp_path: Path) -> None:
    dense, pruned = (
        write_family(tmp_path / f"{blocks}", "llama", num_hidden_layers=blocks) for blocks in (4, 2)
    )

    comparison = compared(dense, pruned)

    for name in ("prefill", "decode"):
        assert 1.6 < comparison.ratios[name].low <= comparison.ratios[name].high < 2.1
    assert comparison.summary()[1].startswith("Generating: faster, ")
    sizes = [sum(file.stat().st_size for file in folder.glob("*.safetensors"))
             for folder in (dense, pruned)]  # fmt: skip
    assert comparison.bytes_ratio == sizes[1] / sizes[0] < 0.7


def test_every_token_is_counted_once(tmp_path: Path) -> None:
    folder = write_family(tmp_path, "llama", num_hidden_layers=2)

    report = compared(folder, folder).report()

    length = POSITIONS - NEW_TOKENS - 1
    assert (report["prompt_tokens"], report["new_tokens"]) == (length, 64)
    assert len(report["rounds"]) == ROUNDS
    block = 2 * (2 * WIDTH * WIDTH + 2 * WIDTH * KEYS + 3 * WIDTH * HIDDEN)
    most_attention, head = 4 * WIDTH * POSITIONS, 2 * WIDTH * VOCABULARY
    for one in report["rounds"]:
        per_token = 1 / one["dense"]["decode_per_second"]
        assert 2 * block + head <= per_token <= 2 * (block + most_attention) + head
        of_prompt = length / one["dense"]["prefill_per_second"]
        assert length * 2 * block <= of_prompt - head <= length * 2 * (block + most_attention)


@pytest.mark.parametrize("family", ["gpt2-conv1d", "gemma3-hybrid", "mixtral-experts"])
def test_models_of_other_families_are_measured(tmp_path: Path, family: str) -> None:
    folder = write_family(tmp_path, family)
    prompt = draw_prompt([RUNTIME.limits(folder)])
    with operations_clock() as clock:
        measured = measure(replace(RUNTIME, clock=clock), folder, prompt)
    assert 0 < measured.prefill_per_second
    assert 0 < measured.decode_per_second


def round_of(dense: tuple[float, float, int], pruned: tuple[float, float, int]) -> Round:
    return Round(Measurement(*dense), Measurement(*pruned))


MEASURED = Comparison(
    {"runtime": "transformers", "device": "cpu", "dtype": "float32"},
    512,
    [round_of((100.0, 10.0, 1000), (150.0, 8.0, 500))] * ROUNDS,
    dense_bytes=900,
    pruned_bytes=600,
)


def test_metrics_are_medians_ratios_and_intervals() -> None:
    metrics = MEASURED.metrics()

    assert metrics["bytes_ratio"] == 600 / 900
    speed = metrics["speed"]
    ratios = [speed[f"{name}_ratio"] for name in ("prefill", "decode", "memory")]
    assert ratios == [1.5, 0.8, 0.5]
    assert speed["intervals"]["decode_ratio"] == [0.8, 0.8]
    assert speed["dense_decode_tokens_per_second"] == 10
    assert speed["pruned_memory_bytes"] == 500
    assert speed["summary"] == [
        "Reading the prompt: faster, 1.5 times the speed (1.5 to 1.5).",
        "Generating: slower, 0.8 times the speed (0.8 to 0.8).",
        "Memory: less, 0.5 times as much (0.5 to 0.5).",
        "Files: 0.667 times the size.",
    ]
    json.dumps(metrics)


def test_a_gate_may_bound_every_number_of_a_benchmark() -> None:
    metrics = MEASURED.metrics()
    assert all(metric_value(metrics, name) is not None for name in BENCHMARK_METRICS)


def test_memory_that_is_too_small_to_be_measured_has_no_ratio() -> None:
    nothing = round_of((100.0, 10.0, 0), (100.0, 10.0, 4096))
    comparison = replace(MEASURED, rounds=[nothing, *MEASURED.rounds[1:]])

    assert comparison.metrics()["speed"]["memory_ratio"] is None
    assert "memory_ratio" not in comparison.metrics()["speed"]["intervals"]
    assert comparison.summary()[2] == "Memory: too little to be measured."


def test_a_prompt_leaves_room_for_the_new_tokens() -> None:
    assert len(draw_prompt([Limits(96, None)])) == 512
    assert len(draw_prompt([Limits(96, 2048), Limits(96, 160)])) == 95
    assert draw_prompt([Limits(96, 65)]) == []
    assert max(draw_prompt([Limits(5000, None), Limits(10, None)])) < 10
    assert draw_prompt([Limits(96, None)]) == draw_prompt([Limits(96, None)])
