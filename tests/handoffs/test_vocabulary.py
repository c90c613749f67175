"""llama.cpp reads models from which tokens were removed, and splits text as transformers does."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

from tests.converter import converter_wheel, forked_converter
from tests.models import write_model
from tests.worker.jobs.stages.vocabulary_jobs import SIZES, run, write_dense
from tests.worker.vocabulary.small_tokenizers import OTHER, SCRIPTS, STORY, write_byte_fallback
from worker.benchmark.llama_runtime import LlamaRuntime
from worker.conversion.convert import convert
from worker.conversion.gguf_type import GgufType
from worker.conversion.pinned_converter import unpacked
from worker.vocabulary.record import CHECK_TEXT

TOKENS = 16


@dataclass(frozen=True)
class Result:
    """The folder of a result, and its GGUF file."""

    folder: Path
    file: Path


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dense(tmp_path_factory.mktemp("byte-level") / "dense")


@pytest.fixture(scope="module")
def script(dense: Path) -> Iterator[Path]:
    """The converter of a llama.cpp that knows the tokenizer with all tokens, by its digest."""
    ids = AutoTokenizer.from_pretrained(dense).encode(CHECK_TEXT)
    digest = sha256(str(ids).encode()).hexdigest()
    with unpacked(converter_wheel()) as script:
        base = script.parent / "conversion" / "base.py"
        unknown = "        res = None\n"
        known = f'        res = "gpt-2" if chkhsh == "{digest}" else None\n'
        text = base.read_text()
        assert text.count(unknown) == 1
        base.write_text(text.replace(unknown, known))
        yield script


@pytest.fixture(scope="module")
def byte_level(dense: Path, script: Path) -> Result:
    out, _ = run(dense)
    convert(script, out, file := out.with_suffix(".gguf"), GgufType.f32)
    return Result(out, file)


@pytest.fixture(scope="module")
def byte_fallback(tmp_path_factory: pytest.TempPathFactory, script: Path) -> Result:
    folder = tmp_path_factory.mktemp("byte-fallback") / "dense"
    size = len(write_byte_fallback(folder))
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}
    write_model(folder, LlamaConfig(**SIZES | ids | {"vocab_size": size}))
    out, _ = run(folder)
    assert (out / "tokenizer.model").stat().st_size < (folder / "tokenizer.model").stat().st_size
    with forked_converter():
        convert(script, out, file := out.with_suffix(".gguf"), GgufType.f32)
    return Result(out, file)


@pytest.fixture(params=["byte_level", "byte_fallback"])
def result(request: pytest.FixtureRequest) -> Result:
    found: Result = request.getfixturevalue(request.param)
    return found


def generated(folder: Path, prompt: list[int]) -> list[int]:
    """Return the most likely tokens of transformers, whatever ends a text."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(TOKENS):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def test_llama_cpp_splits_text_and_continues_it_as_transformers_does(result: Result) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(result.folder)
    with LlamaRuntime(threads=1).loaded(result.file) as model:
        for text in (STORY, OTHER.strip(), *SCRIPTS):
            prompt = tokenizer.encode(text)  # with the start of one, and the end of the other
            request = {"max_tokens": TOKENS, "temperature": 0, "ignore_eos": True, "prompt": text}
            answer = model.server.handle_completions(request)
            assert answer["usage"]["prompt_tokens"] == len(prompt), text
            same = model.server.handle_completions(request | {"prompt": prompt})
            assert answer["choices"][0]["text"] == same["choices"][0]["text"]
        expected = tokenizer.decode(generated(result.folder, prompt))
        assert answer["choices"][0]["text"].strip() == expected.strip()
