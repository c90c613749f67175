"""A job that quantises writes a folder that transformers loads, with the weights it measured."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    CompressedTensorsConfig,
)

from db.spec.metrics import OPTIONAL_METRICS
from db.spec.prune_spec import PruneSpec
from tests.models import FUSED, random_ids, write_model
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.jobs.announced import require_announced_in
from worker.jobs.problems import problem_of
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.errors import PruningError, QuantizationError
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.checkpoint import Checkpoint

PROMPT = "The quick brown fox"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_and_tokenizer(tmp_path / "model", positions=256)
    (tmp_path / "text.txt").write_text(f"{PROMPT} jumps over the lazy dog. " * 200)
    return tmp_path


def make_spec(folder: Path, **fields: Any) -> PruneSpec:
    files = {"model": f"local:{folder / 'model'}", "dataset": f"local:{folder / 'text.txt'}"}
    small = {"sparsity": 0.5, "samples": 4, "eval_samples": 2, "seq_len": 32, "dtype": "float32"}
    return PruneSpec.model_validate(files | small | {"quantize": "w4a16"} | fields)


def run(folder: Path, out: str = "out", **fields: Any) -> dict[str, Any]:
    """Return the report of a job that quantises."""
    (folder / out).mkdir()
    resources = Resources(device="cpu")
    run_to_end(prune(make_spec(folder, **fields), folder / out, resources), lambda _: None)
    report: dict[str, Any] = json.loads((folder / out / "report.json").read_text())
    return report


def rounded_model(folder: Path, out: str = "out") -> Any:
    """Return the dense model's class with the weights that the job has rounded."""
    config = AutoConfig.from_pretrained(folder / "model")
    model = AutoModelForCausalLM.from_config(config)
    checkpoint = Checkpoint.open(folder / out).dequantized()
    weights = {name: checkpoint.read(name) for name in checkpoint.tensors}
    model.load_state_dict(weights, strict=True)
    return model.eval()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"quantize": {"scheme": "w8a16", "group_size": 8, "scales": "minmax"}},
        {"skip": ["*.o_proj", "model.layers.1.*"]},
        {"quantize": {"scheme": "w4a16", "skip": ["*.q_proj", "*.down_proj"]}},
        {"refine": {"steps": 2}, "samples": 8},
        {"method": "none", "sparsity": 0.0},
        {"pattern": "2:4", "sparsity": None, "method": "sparsegpt"},
    ],
    ids=["w4a16", "w8a16", "skipped layers", "layers not rounded", "refined", "not pruned", "2:4"],
)
def test_transformers_loads_the_folder_with_the_weights_of_the_job(
    folder: Path, fields: dict[str, Any]
) -> None:
    run(folder, **fields)

    loaded = AutoModelForCausalLM.from_pretrained(folder / "out")
    ids = random_ids(2, 24)
    with torch.no_grad():
        logits, expected = loaded(ids).logits, rounded_model(folder)(ids).logits
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-3)
    assert logits.std() > 0.1
    tokenizer = AutoTokenizer.from_pretrained(folder / "out")
    prompt = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    text = loaded.generate(prompt, max_new_tokens=8, do_sample=False)
    same = rounded_model(folder).generate(prompt, max_new_tokens=8, do_sample=False)
    assert torch.equal(text, same)


def test_transformers_turns_the_folder_into_plain_weights(folder: Path) -> None:
    run(folder)

    config = CompressedTensorsConfig(dequantize=True)
    with pytest.warns(UserWarning, match="already has a `quantization_config`"):
        loaded = AutoModelForCausalLM.from_pretrained(folder / "out", quantization_config=config)
    loaded.save_pretrained(folder / "plain")

    plain, rounded = Checkpoint.open(folder / "plain"), rounded_model(folder).state_dict()
    assert plain.tensors.keys() <= rounded.keys()
    assert all(torch.equal(plain.read(name), rounded[name]) for name in plain.tensors)
    plain_config = json.loads((folder / "plain" / "config.json").read_text())
    assert not plain_config.get("quantization_config")


def test_the_report_the_card_and_the_config_say_how_the_weights_are_rounded(folder: Path) -> None:
    report = run(folder, generate=True, prompts=[PROMPT])

    metrics = report["metrics"]["quantization"]
    assert {f"quantization.{name}" for name in metrics} == set(OPTIONAL_METRICS["quantize"])
    require_announced_in(report)
    assert (metrics["bits"], metrics["group_size"], metrics["fallbacks"]) == (4, 16, 0)
    assert metrics["bits_per_weight"] == 8 * metrics["bytes"] / report["metrics"]["weights"]
    assert 4 + 32 / 16 < metrics["bits_per_weight"] < 6.5  # the scales of a small model are large
    assert 0 < metrics["error"] < 0.2
    size = sum(file.stat().st_size for file in (folder / "out").glob("*.safetensors"))
    assert report["metrics"]["weights_bytes"] == size
    assert abs(report["plan"]["artifact_bytes"] / size - 1) < 0.1
    assert {name: report["quantization"][name] for name in ("bits", "group_size", "scales")} == {
        "bits": 4,
        "group_size": 16,
        "scales": "mse",
    }
    config = json.loads((folder / "out" / "config.json").read_text())
    entry = config.pop("quantization_config")
    assert entry == report["quantization"]["config"]
    assert entry["ignore"] == ["lm_head"]
    assert config == json.loads((folder / "model" / "config.json").read_text())
    card = (folder / "out" / "README.md").read_text()
    assert "kept weights rounded to 4 bits, with a scale for each 16 neighbours" in card
    assert "`pack-quantized`" in card
    assert "not faster unless the engine has kernels" in card
    assert "no kept weight changed" not in card
    (text,) = report["generation"]
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    ids = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    written = rounded_model(folder).generate(ids, max_new_tokens=48, do_sample=False)
    assert text["pruned"]["greedy"] == tokenizer.decode(written[0, ids.shape[1] :])
    statement = json.loads((folder / "out" / "provenance.json").read_text())
    definition = statement["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["quantize"]["scheme"] == "w4a16"
    assert definition["internalParameters"]["quantization"]["group_size"] == 16


def test_the_zeros_that_are_counted_are_those_of_the_files(folder: Path) -> None:
    report = run(folder, sparsity=0.1)  # so that small weights are kept, which rounding makes zero
    checkpoint = Checkpoint.open(folder / "out").dequantized()
    names = [
        f"{block['name']}.{layer['name']}"
        for block in report["blocks"]
        for layer in block["quantized"]
    ]
    zeros = sum(int((checkpoint.read(name) == 0).sum()) for name in names)
    assert report["metrics"]["zeros"] == zeros
    assert report["metrics"]["sparsity"] == zeros / report["metrics"]["weights"] > 0.11


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_a_layer_that_quantize_skips_is_pruned_but_not_rounded(
    folder: Path, propagation: str
) -> None:
    # With 32, the rows of down_proj do not split into groups.
    skipping = {"scheme": "w4a16", "group_size": 32, "skip": ["*.down_proj"]}
    report = run(folder, quantize=skipping, propagation=propagation)

    rounded = {layer["name"] for block in report["blocks"] for layer in block["quantized"]}
    assert len(rounded) == 6
    assert "mlp.down_proj.weight" not in rounded
    config = json.loads((folder / "out" / "config.json").read_text())["quantization_config"]
    blocks = len(report["blocks"])
    skipped = [f"model.layers.{index}.mlp.down_proj" for index in range(blocks)]
    assert config["ignore"] == [*skipped, "lm_head"]
    written, dense = Checkpoint.open(folder / "out"), Checkpoint.open(folder / "model")
    for name in skipped:
        ours, theirs = written.read(f"{name}.weight"), dense.read(f"{name}.weight")
        assert (ours == 0).float().mean() == pytest.approx(0.5, abs=0.01)
        assert torch.equal(ours[ours != 0], theirs[ours != 0])
    assert report["metrics"]["sparsity"] == pytest.approx(0.5, abs=0.02)
    size = sum(file.stat().st_size for file in (folder / "out").glob("*.safetensors"))
    assert abs(report["plan"]["artifact_bytes"] / size - 1) < 0.1


@pytest.mark.parametrize(
    ("skip", "message"),
    [
        (["*.downproj"], "no layer of the model matches '\\*.downproj'"),
        (["*"], "its skip \\* leaves no layer to quantise"),
    ],
)
def test_globs_of_quantize_that_match_nothing_or_all_are_refused(
    folder: Path, skip: list[str], message: str
) -> None:
    with pytest.raises(PruningError, match=message):
        run(folder, quantize={"scheme": "w4a16", "skip": skip})


def test_the_same_job_gives_the_same_bytes(folder: Path) -> None:
    run(folder, "one")
    run(folder, "two")
    for file in (folder / "one").glob("*.safetensors*"):
        assert file.read_bytes() == (folder / "two" / file.name).read_bytes()


def test_a_group_size_that_does_not_fit_fails_before_work_and_names_one_that_does(
    folder: Path,
) -> None:
    fields: dict[str, Any] = {"quantize": {"scheme": "w4a16", "group_size": 32}}
    with pytest.raises(QuantizationError) as failed:
        run(folder, **fields)

    problem = problem_of(failed.value, make_spec(folder, **fields))
    assert (problem.code, problem.hint) == (
        "quantization",
        "Set the group_size of quantize to 16 or add '*.down_proj' to the skip of quantize.",
    )
    [error] = problem.errors
    assert error.pointer == "/quantize"
    assert "'group_size': 32" in error.detail
    assert "model.layers.0.mlp.down_proj has rows of 48 weights" in error.detail
    assert list((folder / "out").iterdir()) == []


def test_a_model_whose_layers_are_not_linear_is_refused(folder: Path) -> None:
    write_model(folder / "gpt2", FUSED["gpt2"])
    rows = ({"input_ids": ids} for ids in random_ids(8, 32).tolist())
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(QuantizationError, match="stored transposed"):
        run(folder, model=f"local:{folder / 'gpt2'}", dataset=f"local:{folder / 'rows.jsonl'}")
