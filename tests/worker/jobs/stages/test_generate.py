"""A job's texts are those of the dense model and of the files that it writes."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from db.core.errors import SpecRefusedError
from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, random_ids, write_model
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.jobs.announced import require_announced_in
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.jobs.stages.generate import DRAWN, TOKENS
from worker.pruning.base.generators import run_to_end

PROMPT = "The quick brown fox"


def run(folder: Path, resources: Resources | None = None, **fields: Any) -> dict[str, Any]:
    """Return the report of a job of 50 % that generates text."""
    (folder / "out").mkdir()
    files = {"model": f"local:{folder / 'model'}", "dataset": f"local:{folder / 'text.txt'}"}
    small = {
        "sparsity": 0.5,
        "samples": 4,
        "eval_samples": 2,
        "seq_len": 32,
        "generate": True,
        "dtype": "float32",
    }
    spec = PruneSpec.model_validate(files | small | fields)
    steps: list[Any] = []
    run_to_end(prune(spec, folder / "out", resources or Resources(device="cpu")), steps.append)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    report: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text())
    return report


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_and_tokenizer(tmp_path / "model", positions=256)
    (tmp_path / "text.txt").write_text(f"{PROMPT} jumps over the lazy dog. " * 200)
    return tmp_path


def test_both_texts_are_those_of_the_models_as_transformers_loads_them(folder: Path) -> None:
    (text,) = run(folder, prompts=[PROMPT])["generation"]

    assert text["prompt"] == PROMPT
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    ids = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    for name, place in (("dense", "model"), ("pruned", "out")):
        model = AutoModelForCausalLM.from_pretrained(folder / place)
        written = model.generate(ids, max_new_tokens=TOKENS, do_sample=False)
        assert text[name]["greedy"] == tokenizer.decode(written[0, ids.shape[1] :])
    assert text["dense"] != text["pruned"]
    assert text["dense"]["sampled"] != text["dense"]["greedy"]


def test_a_model_without_tokenizer_is_refused(folder: Path) -> None:
    write_model(folder / "bare", FAMILIES["llama"])
    rows = ({"input_ids": ids} for ids in random_ids(8, 32).tolist())
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model, rows_file = f"local:{folder / 'bare'}", f"local:{folder / 'rows.jsonl'}"
    with pytest.raises(SpecRefusedError, match="no tokenizer"):
        run(folder, model=model, dataset=rows_file)


def test_a_prompt_that_leaves_no_room_is_refused(folder: Path) -> None:
    with pytest.raises(SpecRefusedError, match="the model can continue 1 to") as refused:
        run(folder, prompts=["fox jumps " * 100])
    assert refused.value.field == "prompts"


def test_a_model_with_too_few_positions_for_any_prompt_is_refused(folder: Path) -> None:
    write_model_and_tokenizer(folder / "model", positions=TOKENS)
    with pytest.raises(SpecRefusedError, match=f"has {TOKENS} positions, and {TOKENS} tok") as e:
        run(folder)
    assert (e.value.field, e.value.remedy) == ("generate", "Leave generate out.")


def test_a_model_that_does_not_fit_generates_the_same_texts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run(folder, prompts=[PROMPT])
    (folder / "out").rename(folder / "whole")
    monkeypatch.setattr("worker.evaluation.generation.fits_whole", lambda *_: False)
    assert run(folder, prompts=[PROMPT])["generation"] == report["generation"]


def test_the_figures_are_of_the_drawn_texts_of_both_models(folder: Path) -> None:
    report = run(folder, prompts=[PROMPT, "fox"])
    require_announced_in(report)
    figures, errors = report["metrics"]["generation"], report["metrics"]["generation_stderr"]
    assert figures["texts"] == 2 * DRAWN
    assert 0 <= figures["loops"] <= 1 == figures["dense_distinct_4"]  # of random weights
    assert errors.keys() == figures.keys() - {"texts"}
