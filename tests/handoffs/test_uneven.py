"""llama.cpp generates the tokens of transformers from blocks of different widths."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
import xllamacpp
from gguf import GGUFReader
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, PretrainedConfig

from tests.converter import converter_wheel, forked_converter
from tests.handoffs.folders import write_dense, write_pruned
from tests.models import VOCABULARY, random_ids
from worker.conversion.convert import convert
from worker.conversion.gguf_file import GgufFile
from worker.conversion.gguf_type import GgufType
from worker.conversion.pinned_converter import unpacked
from worker.conversion.uneven_folder import without_zeros
from worker.pruning.model.meta_model import MetaModel

TOKENS = 64
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 64,
    "intermediate_size": 104,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
ROTATION = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
JOBS: dict[str, tuple[PretrainedConfig, dict[str, Any]]] = {
    "adapt": (
        LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True, rope_parameters=ROTATION),
        {"method": "adapt", "ratio": 0.3},
    ),
    "pgp": (
        MistralConfig(**SIZES, sliding_window=None, head_dim=16),
        {"method": "pgp", "ratio": 0.4, "search_steps": 10},
    ),
}


@pytest.fixture(scope="module")
def script() -> Iterator[Path]:
    with unpacked(converter_wheel()) as script, forked_converter():
        yield script


@contextmanager
def loaded(file: Path) -> Iterator[Any]:
    """Load a file with llama.cpp, whose cache of keys and values is exact."""
    with TemporaryDirectory(prefix="llama-") as private:
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(file)
        parameters.hostnames = [f"{private}/llama.sock"]
        parameters.verbosity = 1
        parameters.n_ctx = 128
        parameters.n_parallel = 1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
        parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type(0)  # float32
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type(0)  # not with that cache
        yield xllamacpp.Server(parameters)


@torch.no_grad()
def most_likely(folder: Path, prompt: list[int]) -> list[int]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = list(prompt)
    for _ in range(TOKENS):
        logits = model(torch.tensor([ids])).logits[0, -1]
        logits[2] = -torch.inf  # the end of a text
        ids.append(int(logits.argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("name", JOBS)
def test_llama_cpp_generates_the_same_tokens_from_a_smaller_file(
    tmp_path: Path, script: Path, name: str
) -> None:
    config, fields = JOBS[name]
    dense = write_dense(tmp_path / "dense", config)
    make_sensitive(dense)
    folder = write_pruned(tmp_path / "uneven", dense, **fields, uniform=False, seq_len=16)
    with without_zeros(folder, tmp_path) as source:
        content = convert(script, source, file := tmp_path / "uneven.gguf", GgufType.f32)
    assert not list(tmp_path.glob(".uneven-*"))

    assert content.architecture == "deci"
    check_sizes(folder, file, content)
    prompt: list[int] = random_ids(1, 8)[0].tolist()
    request = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}
    with loaded(file) as server:
        text = server.handle_completions(request)["choices"][0]["text"]
    assert [int(token) for token in text.split(",") if token] == most_likely(folder, prompt)


def make_sensitive(folder: Path) -> None:
    """Draw the biases of a model, which are zeros at first, and have it attend to few tokens."""
    drawn = torch.Generator().manual_seed(0)
    for file in folder.glob("*.safetensors"):
        tensors = load_file(file)
        for name, tensor in tensors.items():
            if name.endswith("bias"):
                tensor.normal_(generator=drawn)
            elif "q_proj" in name or "k_proj" in name:
                tensor.mul_(4)
        save_file(tensors, file, metadata={"format": "pt"})


def check_sizes(folder: Path, file: Path, content: GgufFile) -> None:
    """Check that the file has exactly the units of the folder that are not zero."""
    reader = GGUFReader(file)
    lists = ("feed_forward_length", "attention.head_count", "attention.head_count_kv")
    channels, heads, groups = (reader.fields[f"deci.{name}"].contents() for name in lists)
    model = MetaModel.open(folder, torch.float32, torch.device("cpu"))
    for index in range(3):
        stored = model.read_block(index)
        kept = int((stored["mlp.down_proj.weight"] != 0).any(0).sum())
        assert channels[index] == kept
        outputs = stored["self_attn.o_proj.weight"]
        read = int((outputs != 0).any(0).sum())
        assert (heads[index], groups[index]) == (read * 8 // outputs.shape[1], heads[index] // 2)
    assert len(set(channels)) > 1
    assert len(set(groups)) > 1
    stored_weights = sum(prod(tensor.shape) for tensor in model.checkpoint.tensors.values())
    assert content.parameters < stored_weights
