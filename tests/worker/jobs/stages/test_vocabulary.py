"""Jobs that remove tokens: the result computes what the model does, with fewer rows."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from tests.worker.jobs.stages.vocabulary_jobs import END, ROWS, run, spec_of, write_dense
from tests.worker.vocabulary.small_tokenizers import OTHER, STORY, TEXT
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.names import WORKING_FOLDERS


def kept_ids(out: Path) -> list[int]:
    kept: list[int] = json.loads((out / "vocabulary.json").read_text())["kept"]
    return kept


@torch.no_grad()
def logits(folder: Path, ids: list[int]) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    found: torch.Tensor = model(torch.tensor([ids])).logits[0]
    return found


def files_of(out: Path) -> dict[str, bytes]:
    changing = {"report.json", "README.md", "provenance.json"}
    return {
        path.name: path.read_bytes()
        for path in out.iterdir()
        if path.is_file() and path.name not in changing
    }


@pytest.mark.parametrize("is_tied", [True, False])
def test_the_kept_tokens_have_bit_equal_logits_in_plain_transformers(
    tmp_path: Path, is_tied: bool
) -> None:
    dense = write_dense(tmp_path / "dense", is_tied=is_tied)
    out, report = run(dense)

    before, after = AutoTokenizer.from_pretrained(dense), AutoTokenizer.from_pretrained(out)
    kept = kept_ids(out)
    ids = after(STORY)["input_ids"]
    assert [kept[token] for token in ids] == before(STORY)["input_ids"]
    assert torch.equal(logits(out, ids), logits(dense, before(STORY)["input_ids"])[:, kept])
    measured = report["metrics"]["vocabulary"]
    assert measured["tokens"] == len(kept) < END + 2
    assert measured["tokens_before"] == ROWS
    matrices = 1 if is_tied else 2
    assert measured["parameters_removed"] == (ROWS - len(kept)) * 32 * matrices
    stored = sum(
        tensor.numel() for file in out.glob("*.safetensors") for tensor in load_file(file).values()
    )
    assert report["metrics"]["parameters"] == stored
    assert measured["lost_tokens"] == 0
    assert measured["text_growth"] == 1


def test_configs_have_the_new_numbers_and_the_chat_template_stays(tmp_path: Path) -> None:
    dense = write_dense(tmp_path / "dense")
    (dense / "generation_config.json").write_text(json.dumps({"eos_token_id": [END, END + 1]}))
    out, _ = run(dense, vocabulary={"dataset": f"local:{tmp_path / 'text.txt'}", "keep": 330})

    kept = kept_ids(out)
    config = json.loads((out / "config.json").read_text())
    assert config["vocab_size"] == len(kept) == 330
    assert kept[config["eos_token_id"]] == END
    assert kept[config["pad_token_id"]] == 415  # a row without a token
    generation = json.loads((out / "generation_config.json").read_text())
    assert [kept[token] for token in generation["eos_token_id"]] == [END, END + 1]
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (dense, out)]
    messages = [{"role": "user", "content": STORY}]
    first, second = (one.apply_chat_template(messages, tokenize=False) for one in tokenizers)
    assert first == second
    assert set(tokenizers[0]("message['content']")["input_ids"]) <= set(kept)


def test_lost_tokens_are_counted_and_models_are_compared_by_bytes(tmp_path: Path) -> None:
    dense = write_dense(tmp_path / "dense")
    out, report = run(dense, eval_dataset=f"local:{tmp_path / 'other.txt'}", eval_samples=12)

    measured = report["metrics"]["vocabulary"]
    kept, tokenizer = set(kept_ids(out)), AutoTokenizer.from_pretrained(dense)
    ids = tokenizer((TEXT + OTHER) * 8, add_special_tokens=False)["input_ids"][: 12 * 32]
    assert measured["lost_tokens"] == sum(token not in kept for token in ids) > 0
    assert measured["lost_share"] == measured["lost_tokens"] / len(ids)
    assert measured["text_growth"] > 1
    assert report["vocabulary"]["tokens"] > 0
    card = (out / "README.md").read_text()
    assert f"{measured['bits_per_byte']:.4f} bits per byte" in card
    assert "head are unchanged in the rows of the tokens that stay" in card


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "wanda", "pattern": "2:4"},
        {"method": "magnitude", "sparsity": 0.5, "steps": 2},
        {"method": "neurons", "ratio": 0.25},
        {"method": "depth", "ratio": 0.5, "recover": {"kind": "masked", "tokens": 128}},
        {"quantize": {"scheme": "w8a16", "group_size": 8}, "rotate": "auto"},
    ],
    ids=["zeros", "gradual", "neurons", "depth-recovered", "quantised"],
)
def test_tokens_go_after_whatever_else_a_job_does(tmp_path: Path, fields: dict[str, Any]) -> None:
    dense = write_dense(tmp_path / "dense")
    whole, first = run(dense, "whole", **fields, vocabulary=None)
    out, second = run(dense, **fields)

    kept = kept_ids(out)
    before, after = stored(whole), stored(out)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        has_rows = tensor.shape[:1] == (ROWS,)
        assert torch.equal(after[name], tensor[kept] if has_rows else tensor), name
    unchanged = ("pruned_perplexity", "dense_perplexity", "sparsity", "patterns")
    for name in unchanged:
        assert first["metrics"][name] == second["metrics"][name]
    removed = second["metrics"]["vocabulary"]["parameters_removed"]
    assert second["metrics"]["parameters"] == first["metrics"]["parameters"] - removed
    config = json.loads((out / "config.json").read_text())
    assert config["vocab_size"] == len(kept)
    expected = json.loads((whole / "config.json").read_text())
    names = {name for name in expected if config[name] != expected[name]}
    assert names == {"vocab_size", "bos_token_id", "eos_token_id", "pad_token_id"}


def stored(folder: Path) -> dict[str, torch.Tensor]:
    files = folder.glob("*.safetensors")
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


@pytest.mark.parametrize("method", [{"method": "none"}, {"method": "neurons", "ratio": 0.25}])
def test_an_interrupted_job_ends_with_the_same_bytes(
    tmp_path: Path, method: dict[str, Any]
) -> None:
    dense = write_dense(tmp_path / "dense")
    config = json.loads((dense / "config.json").read_text()) | {"pad_token_id": 290}
    (dense / "config.json").write_text(json.dumps(config))
    straight, _ = run(dense, "straight", **method)
    new = json.loads((straight / "config.json").read_text())["pad_token_id"]
    assert 290 > new > kept_ids(straight).index(new)  # numbered twice, it would be another one
    for phase in (Phase.packaging, Phase.evaluating):
        out = tmp_path / f"interrupted-{phase}"
        out.mkdir()
        with closing(prune(spec_of(dense, **method), out, Resources(device="cpu"))) as steps:
            run_to_writing(iter(steps), phase)
        run(dense, out.name, **method)
        assert files_of(out) == files_of(straight)
    assert {path.name for path in straight.iterdir() if path.is_dir()} <= set(WORKING_FOLDERS)


def run_to_writing(steps: Iterator[Any], phase: Phase) -> None:
    """Run a job until its files are written, and on to a phase that comes then."""
    while next(steps).phase is not Phase.packaging:
        pass
    while phase is not Phase.packaging and next(steps).phase is not phase:
        pass


def test_the_result_can_lose_tokens_again(tmp_path: Path) -> None:
    dense = write_dense(tmp_path / "dense")
    first, _ = run(dense, "first")
    second, _ = run(
        first, "second", vocabulary={"dataset": f"local:{tmp_path / 'text.txt'}", "keep": 300}
    )
    records = [json.loads((folder / "vocabulary.json").read_text()) for folder in (first, second)]
    assert records[0]["llama_cpp"] == records[1]["llama_cpp"]
    ids = AutoTokenizer.from_pretrained(dense).encode(records[0]["llama_cpp"]["text"])
    assert records[0]["llama_cpp"]["ids"] == ids
    assert len(records[1]["kept"]) == 300


def test_the_provenance_names_the_text_whose_tokens_stayed(tmp_path: Path) -> None:
    dense = write_dense(tmp_path / "dense")
    out, _ = run(dense, expect=None)
    definition = json.loads((out / "provenance.json").read_text())["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["vocabulary"]["dataset"] == "local:text.txt"
    texts = {text["name"]: text for text in definition["resolvedDependencies"]}
    digest = texts["vocabulary"]["digest"]["sha256"]
    assert texts["vocabulary"]["annotations"]["dataset"] == "local:text.txt"
    with pytest.raises(SpecRefusedError, match=f"the sha256 of vocabulary is {digest}"):
        run(dense, "changed", expect={"vocabulary": "0" * 64})


def test_a_benchmark_asks_both_models_with_tokens_of_the_smaller_one(tmp_path: Path) -> None:
    _, report = run(write_dense(tmp_path / "dense"), benchmark=True)
    assert report["metrics"]["speed"]["decode_ratio"] > 0


@pytest.mark.parametrize(
    ("vocabulary", "field", "reason"),
    [
        ({"keep": 500}, "vocabulary.keep", "the model has 363 tokens"),
        ({"keep": 200}, "vocabulary.keep", "tokens have to stay"),
        ({"dataset": "local:missing.txt"}, "vocabulary.dataset", "no such file"),
    ],
)
def test_an_impossible_vocabulary_is_refused_before_weights_are_read(
    tmp_path: Path, vocabulary: dict[str, Any], field: str, reason: str
) -> None:
    dense = write_dense(tmp_path / "dense")
    for file in dense.glob("*.safetensors"):  # which would be another error
        infinite = {name: tensor * torch.inf for name, tensor in load_file(file).items()}
        save_file(infinite, file, metadata={"format": "pt"})
    asked = {"dataset": f"local:{tmp_path / 'text.txt'}"} | vocabulary
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        run(dense, vocabulary=asked)
    assert refused.value.field == field
    assert refused.value.value == vocabulary[field.rpartition(".")[2]]
