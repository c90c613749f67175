"""Two models, measured in turns by a clock that counts operations."""

import json
import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from db.spec.metrics import OPTIONAL_METRICS
from db.spec.quality_gate import metric_value
from tests.models import FAMILIES, write_model
from tests.worker.benchmark.counting import operations_clock
from worker.benchmark.comparison import Comparison, compare
from worker.benchmark.measurement import Measurement, draw_prompt, measure
from worker.benchmark.rounds import Round
from worker.benchmark.runtime import Limits
from worker.benchmark.transformers_runtime import TransformersRuntime
from worker.pruning.base.generators import run_to_end

RUNTIME = TransformersRuntime(torch.device("cpu"), torch.float32)
POSITIONS, ROUNDS = 120, 6
WIDTH, HIDDEN, KEYS, VOCABULARY = 32, 48, 16, 96  # of the Llama in tests.models


NEW_TOKENS = 4


@pytest.fixture
def few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Generate few tokens in few rounds: counting their operations takes its time."""
    monkeypatch.setattr("worker.benchmark.measurement.NEW_TOKENS", NEW_TOKENS)
    monkeypatch.setattr("worker.benchmark.rounds.ROUNDS", ROUNDS)


def measured(folder: Path) -> Measurement:
    """Measure a model by the operations that it takes."""
    with operations_clock() as clock:
        return measure(replace(RUNTIME, clock=clock), folder, draw_prompt([RUNTIME.limits(folder)]))


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


@pytest.mark.usefixtures("few_tokens")
def test_zeros_are_no_speed_up_and_no_smaller_file(tmp_path: Path) -> None:
    dense, pruned = tmp_path / "dense", tmp_path / "pruned"
    write_family(dense, "llama", num_hidden_layers=1)
    write_zeros(dense, pruned)

    with operations_clock() as clock:
        runtime = replace(RUNTIME, clock=clock)
        prompt = draw_prompt([runtime.limits(dense), runtime.limits(pruned)])
        comparison = run_to_end(compare(runtime, dense, pruned, prompt))

    for name in ("prefill", "decode"):
        ratio = comparison.ratios[name]
        assert ratio.low == ratio.value == ratio.high == 1
    summary = comparison.summary()
    assert summary[0] == "Reading the prompt: no speed-up, 1 times the speed (1 to 1)."
    assert summary[1] == "Generating: no speed-up, 1 times the speed (1 to 1)."
    assert summary[3] == "Files: the same size."
    report = comparison.report()
    assert report["prompt_tokens"] == POSITIONS - NEW_TOKENS - 1
    assert len(report["rounds"]) == ROUNDS


@pytest.mark.usefixtures("few_tokens")
def test_half_of_the_blocks_is_nearly_half_of_the_operations(tmp_path: Path) -> None:
    dense, pruned = (
        measured(write_family(tmp_path / f"{blocks}", "llama", num_hidden_layers=blocks))
        for blocks in (4, 2)
    )
    assert 1.6 < pruned.prefill_per_second / dense.prefill_per_second < 2.1
    assert 1.6 < pruned.decode_per_second / dense.decode_per_second < 2.1


@pytest.mark.usefixtures("few_tokens")
def test_every_token_is_counted_once(tmp_path: Path) -> None:
    found = measured(write_family(tmp_path, "llama", num_hidden_layers=2))

    block = 2 * (2 * WIDTH * WIDTH + 2 * WIDTH * KEYS + 3 * WIDTH * HIDDEN)
    most_attention, head = 4 * WIDTH * POSITIONS, 2 * WIDTH * VOCABULARY
    per_token, length = 1 / found.decode_per_second, POSITIONS - NEW_TOKENS - 1
    assert 2 * block + head <= per_token <= 2 * (block + most_attention) + head
    of_prompt = length / found.prefill_per_second - head  # of the last token alone
    assert length * 2 * block <= of_prompt <= length * 2 * (block + most_attention)


@pytest.mark.usefixtures("few_tokens")
@pytest.mark.parametrize("family", ["gpt2-conv1d", "gemma3-hybrid", "mixtral-experts"])
def test_models_of_other_families_are_measured(tmp_path: Path, family: str) -> None:
    found = measured(write_family(tmp_path, family))
    assert found.prefill_per_second > 0
    assert found.decode_per_second > 0


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

    assert metrics["weights_bytes_ratio"] == 600 / 900
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
    assert (MEASURED.report()["prompt_tokens"], MEASURED.report()["new_tokens"]) == (512, 64)


def test_a_gate_may_bound_every_number_of_a_benchmark() -> None:
    metrics = MEASURED.metrics()
    assert all(metric_value(metrics, name) is not None for name in OPTIONAL_METRICS["benchmark"])


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
