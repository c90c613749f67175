"""Jobs that remove experts: their files, their figures, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer, MixtralConfig

from db.core.errors import SpecRefusedError
from db.spec.prune_spec import PruneSpec
from db.spec.trials import TrialRequest
from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.experts.scaled import scale_matrices
from tests.worker.pruning.sweeps import tensors
from tests.worker.recovery.recoveries import teach
from tests.worker.sources.builders import byte_tokenizer
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.jobs.stages.experts import KEPT_EXPERTS
from worker.jobs.stages.generate import TOKENS
from worker.jobs.trials.answer import answer
from worker.jobs.trials.tried_model import TriedModel
from worker.pruning.base.errors import ExpertsError, PruningError, UnsupportedModelError
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint

EXPERTS = 8
CONFIG = MixtralConfig(
    vocab_size=260,
    hidden_size=32,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    num_local_experts=EXPERTS,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder / "mixture", CONFIG)
    tokenizer: Any = byte_tokenizer()
    tokenizer.save_pretrained(folder / "mixture")
    scale_matrices(shutil.copytree(folder / "mixture", folder / "scaled"))
    write_model(folder / "dense", FAMILIES["llama"])
    texts = {"goal": random_ids(60, 32, seed=1), "keep": random_ids(20, 32, seed=5) // 8}
    for name, ids in (texts | {"eval": random_ids(3, 32, seed=2)}).items():
        rows = "".join(json.dumps({"input_ids": row}) + "\n" for row in ids.tolist())
        (folder / f"{name}.jsonl").write_text(rows)
    return folder


def run(models: Path, out: Path, model: str = "mixture", **fields: Any) -> dict[str, Any]:
    texts = {"dataset": "goal", "eval_dataset": "eval"}
    own = {name: str(models / f"{file}.jsonl") for name, file in texts.items()}
    small = {"method": "experts", "samples": 16, "dtype": "float32", "model": str(models / model)}
    if "keep_dataset" in fields:
        fields["keep_dataset"] = str(models / f"{fields['keep_dataset']}.jsonl")
    spec = PruneSpec.model_validate(own | small | fields)
    out.mkdir()
    run_to_end(prune(spec, out, Resources(device="cpu")))
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def stored_dtypes(folder: Path) -> dict[str, torch.dtype]:
    tensors = Checkpoint.open(folder).tensors
    return {name: stored.dtype for name, stored in tensors.items()}


def kept(report: dict[str, Any]) -> list[list[int]]:
    return [block["experts"]["kept"] for block in report["blocks"]]


def test_a_job_writes_a_smaller_model_and_says_what_went(models: Path, tmp_path: Path) -> None:
    prompt = "The quick brown fox"
    report = run(models, tmp_path / "out", ratio=0.25, generate=True, prompts=[prompt])
    metrics, out = report["metrics"], tmp_path / "out"
    experts = metrics["experts"]
    assert (experts["experts"], experts["kept"], experts["layers"]) == (EXPERTS, 6, 2)
    gates = [block["experts"]["gate_removed"] for block in report["blocks"]]
    assert experts["gate_removed"] == pytest.approx(sum(gates) / 2)
    assert all(0 < gate < 0.5 for gate in gates)
    assert experts["gate_removed_max"] == max(gates)
    lost = 2 * 2 * (3 * 32 * 24 + 32)
    assert metrics["parameters_removed"] == lost
    assert metrics["sparsity"] == metrics["fallbacks"] == 0
    assert report["experts"] == {"ratio": 0.25, "kept": None, "score": "reap", "from_dense": True}
    assert "Of 8 experts 6 stay, which is no multiple of 8" in report["warnings"][0]
    assert json.loads((out / "config.json").read_text())["num_local_experts"] == 6
    listed = json.loads((out / KEPT_EXPERTS).read_text())
    assert list(listed) == ["model.layers.0.mlp.experts", "model.layers.1.mlp.experts"]
    assert list(listed.values()) == kept(report)
    statement = json.loads((out / "provenance.json").read_text())
    assert KEPT_EXPERTS in {subject["name"] for subject in statement["subject"]}
    card = (out / "README.md").read_text()
    assert "6 of 8 experts kept in each of 2 layers, chosen by [REAP]" in card
    assert "Each tensor that stays is that of the dense model, bit for bit." in card
    assert "method `none`" not in card
    assert f"| parameters | {metrics['parameters'] + lost:,} | {metrics['parameters']:,} |" in card

    model = AutoModelForCausalLM.from_pretrained(out)
    ids = random_ids(3, 32, seed=2)
    with torch.no_grad():
        logits = model(ids).logits[:, :-1]
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
    assert metrics["pruned_perplexity"] == pytest.approx(float(loss.exp()), rel=1e-5)
    tokenizer = AutoTokenizer.from_pretrained(out)
    start = tokenizer(prompt, return_tensors="pt")["input_ids"]
    written = model.generate(start, max_new_tokens=TOKENS, do_sample=False, use_cache=False)
    text = tokenizer.decode(written[0][start.shape[1] :], skip_special_tokens=True)
    assert report["generation"][0]["pruned"]["greedy"] == text


def test_a_second_text_spares_experts_that_matter_on_it(models: Path, tmp_path: Path) -> None:
    alone = run(models, tmp_path / "alone", experts=4)
    both = run(models, tmp_path / "both", experts=4, keep_dataset="keep")
    only = run(models, tmp_path / "only", experts=4, dataset=str(models / "keep.jsonl"))
    assert kept(both) not in (kept(alone), kept(only))
    for block in range(2):
        spared = set(kept(both)[block]) - set(kept(alone)[block])
        assert spared <= set(kept(only)[block])
    assert "experts that matter on 512 tokens of" in (tmp_path / "both" / "README.md").read_text()


def test_experts_that_stay_can_be_refined(models: Path, tmp_path: Path) -> None:
    plain = run(models, tmp_path / "plain", experts=4)
    refined = run(models, tmp_path / "refined", experts=4, refine={"steps": 8, "lr": 0.002})
    assert kept(refined)[0] == kept(plain)[0]
    errors = [report["blocks"][0]["output_error"] for report in (refined, plain)]
    assert errors[0] < errors[1]
    card = (tmp_path / "refined" / "README.md").read_text()
    assert "the weights of the dense model, but for those that were trained" in card


def test_8_bit_floats_are_copied_and_both_models_are_measured(models: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = run(models, out, "scaled", experts=4, generate=True, prompts=["The quick brown fox"])
    metrics = report["metrics"]
    assert metrics["experts"]["kept"] == 4
    assert metrics["parameters_removed"] == 2 * 4 * (3 * 32 * 24 + 32)
    dense = Checkpoint.open(models / "scaled")
    assert metrics["dense_weights_bytes"] == dense.size_bytes(dense.tensors)
    before, after = (stored_dtypes(folder) for folder in (models / "scaled", out))
    assert {name: before[name] for name in after} == after
    assert torch.float8_e4m3fn in after.values()
    fields = {"model": str(models / "scaled"), "method": "experts", "experts": 4}
    spec = PruneSpec.model_validate(fields | {"dataset": "wikitext2", "dtype": "float32"})
    request = TrialRequest(prompt="The quick brown fox", max_tokens=TOKENS)
    trial = answer(spec, request, TriedModel(out, None), Resources(device="cpu"))
    texts = report["generation"][0]
    greedy = {name: texts[name]["greedy"] for name in ("dense", "pruned")}
    assert run_to_end(trial).metrics == greedy
    again = run(models, tmp_path / "again", str(out), experts=2)
    assert again["metrics"]["dense_perplexity"] == pytest.approx(metrics["pruned_perplexity"])


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "wanda", "sparsity": 0.5},
        {"experts": 4, "refine": True},
        {"experts": 4, "recover": "router"},
        {"experts": 4, "benchmark": True},
    ],
)
def test_8_bit_floats_are_refused_where_weights_would_change(
    models: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    with pytest.raises(SpecRefusedError, match="its weights are quantised") as refused:
        run(models, tmp_path / "out", "scaled", **fields)
    assert (refused.value.field, refused.value.code) == ("model", "quantized")


def test_routers_are_trained_and_nothing_else(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.recovery.settings._FEWEST_BATCH_TOKENS", 256)
    model = AutoModelForCausalLM.from_pretrained(
        shutil.copytree(models / "mixture", tmp_path / "m")
    )
    teach(model, steps=24)
    model.save_pretrained(tmp_path / "m")
    rows = (random_ids(60, 1, seed=1) + 7 * torch.arange(32)) % 96
    text = "".join(json.dumps({"input_ids": row}) + "\n" for row in rows.tolist())
    (tmp_path / "text.jsonl").write_text(text)
    texts, model_folder = {"dataset": str(tmp_path / "text.jsonl")}, str(tmp_path / "m")
    plain = run(models, tmp_path / "plain", model_folder, experts=4, **texts)
    recover = {"kind": "router", "tokens": 2560, "lr": 0.01}
    trained = run(models, tmp_path / "trained", model_folder, experts=4, recover=recover, **texts)
    assert kept(trained) == kept(plain)
    before, after = (tensors(tmp_path / name) for name in ("plain", "trained"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {f"model.layers.{n}.block_sparse_moe.gate.weight" for n in range(2)}
    metrics = trained["metrics"]
    assert metrics["perplexity_before_recovery"] == plain["metrics"]["pruned_perplexity"]
    recovery = metrics["recovery"]
    assert recovery["held_out_loss_after"] < recovery["held_out_loss_before"]
    assert (tmp_path / "trained" / "config.json").read_text() == (
        tmp_path / "plain" / "config.json"
    ).read_text()
    card = (tmp_path / "trained" / "README.md").read_text()
    assert (
        f"{recovery['steps']} steps on {recovery['tokens']:,} tokens, nothing but the rout" in card
    )
    assert "Each tensor that stays is that of the dense model, bit for bit, but for routers" in card


@pytest.mark.parametrize(
    ("fields", "error", "field", "reason"),
    [
        ({"model": "dense", "experts": 4}, UnsupportedModelError, "model", "'llama' has none"),
        ({"experts": 8}, ExpertsError, "experts", "each layer has 8 experts.* from 2 to 7"),
        ({"experts": 1}, ExpertsError, "experts", "a token needs at least 2 experts"),
    ],
)
def test_a_number_that_does_not_fit_is_refused_before_weights_are_read(
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, Any],
    error: type[PruningError],
    field: str,
    reason: str,
) -> None:
    monkeypatch.setattr("worker.pruning.model.checkpoint.Checkpoint._bytes", None)
    with pytest.raises(error, match=reason) as refused:
        run(models, tmp_path / "out", **fields)
    assert (refused.value.field, bool(refused.value.advice)) == (field, True)


def test_a_ratio_that_removes_none_is_refused_with_one_that_does(
    models: Path, tmp_path: Path
) -> None:
    with pytest.raises(SpecRefusedError, match=r"ratio 0.1.*removes none of 8.*0\.125"):
        run(models, tmp_path / "out", ratio=0.1)
