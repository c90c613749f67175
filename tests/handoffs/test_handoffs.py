"""Programs read a pruned folder and generate from it."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, GgufConfig

from db.spec.prune_spec import PruneSpec
from tests.handoffs.gguf_file import write_gguf
from tests.models import FAMILIES, random_ids, write_model
from worker.benchmark.llama_runtime import LlamaRuntime
from worker.benchmark.runtime import Limits
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint

TOKENS, END = 16, 2


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("handoff")
    write_model(folder / "dense", FAMILIES["llama"])
    rows = ({"input_ids": ids} for ids in random_ids(8, 16).tolist())
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = {"model": f"local:{folder / 'dense'}", "dataset": f"local:{folder / 'rows.jsonl'}"}
    spec = PruneSpec.model_validate(fields | {"pattern": "2:4", "method": "wanda", "samples": 4})
    (folder / "pruned").mkdir()
    run_to_end(prune(spec, folder / "pruned", Resources(device="cpu")))
    return folder / "pruned"


@pytest.fixture(scope="module")
def gguf(pruned: Path) -> Path:
    write_gguf(pruned, pruned.parent / "pruned.gguf")
    return pruned.parent / "pruned.gguf"


@pytest.fixture
def prompt() -> list[int]:
    ids: list[int] = random_ids(1, 8)[0].tolist()
    return ids


@pytest.fixture
def generated(pruned: Path, prompt: list[int]) -> list[int]:
    """The tokens that transformers generates."""
    model = AutoModelForCausalLM.from_pretrained(pruned, dtype=torch.float32)
    settings = {"max_new_tokens": TOKENS, "do_sample": False, "suppress_tokens": [END]}
    ids: list[int] = model.generate(torch.tensor([prompt]), **settings)[0, len(prompt) :].tolist()
    return ids


def test_transformers_generates_from_the_folder_with_its_zeros(
    pruned: Path, generated: list[int]
) -> None:
    assert len(generated) == TOKENS
    weights = AutoModelForCausalLM.from_pretrained(pruned).state_dict()
    matrices = [weight for name, weight in weights.items() if "_proj" in name]
    assert matrices
    assert all((weight.view(-1, 4) == 0).sum(1).eq(2).all() for weight in matrices)


def test_transformers_reads_the_same_weights_from_gguf(pruned: Path, gguf: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, quantization_config=GgufConfig(dequantize=True)
    )
    read, checkpoint = model.state_dict(), Checkpoint.open(pruned)
    for name in checkpoint.tensors:
        assert torch.equal(read[name], checkpoint.read(name)), name


def test_llama_cpp_generates_the_tokens_of_transformers(
    gguf: Path, prompt: list[int], generated: list[int]
) -> None:
    request = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}
    with LlamaRuntime(threads=1).loaded(gguf) as model:
        answer = model.server.handle_completions(request)
    text = answer["choices"][0]["text"]
    assert [int(token) for token in text.split(",") if token] == generated


def test_llama_cpp_measures_a_gguf_file(gguf: Path, prompt: list[int]) -> None:
    runtime = LlamaRuntime(threads=1)
    assert runtime.limits(gguf) == Limits(96, 64)
    assert runtime.stored_bytes(gguf) == gguf.stat().st_size
    with runtime.loaded(gguf) as model:
        timing = model.generate(prompt, 9)
    assert timing.prefill_seconds > 0
    assert timing.decode_seconds > 0
