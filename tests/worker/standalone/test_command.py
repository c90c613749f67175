"""``zpruner prune`` on a small real model: words in, a folder and one line of figures out."""

import errno
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from db.core.states import Phase
from tests.busy import CORES, busy_processes
from tests.models import FAMILIES, random_ids, write_model
from tests.worker.processes import command_until_block, run_until_killed
from worker.estimates import load
from worker.jobs.progress import JobProgress
from worker.pruning.model.checkpoint import Checkpoint
from worker.standalone.command import app
from zpruner.cli.durations import duration_text


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all, so that the machine's speed is measured once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def folder(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZPRUNER_DATA_DIR", str(data))
    write_model(tmp_path / "dense", FAMILIES["llama"])
    rows = ({"input_ids": ids} for ids in random_ids(24, 16).tolist())
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def run(folder: Path, *words: str) -> Result:
    fixed = [folder / "dense", folder / "out", "--dataset", folder / "rows.jsonl"]
    return CliRunner().invoke(app, [*map(str, fixed), "--sparsity", "0.5", *words])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = Checkpoint.open(folder)
    return {name: checkpoint.read(name) for name in checkpoint.tensors}


def pruned_weights(folder: Path) -> dict[str, torch.Tensor]:
    found = weights(folder / "out")
    return {name: weight for name, weight in found.items() if name.endswith("proj.weight")}


def block_sparsities(folder: Path) -> list[float]:
    report: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text())
    return [block["sparsity"] for block in report["blocks"]]


def test_warnings_of_the_report_are_printed(folder: Path) -> None:
    result = run(folder, "--method", "magnitude", "--eval-dataset", str(folder / "rows.jsonl"))

    assert result.exit_code == 0, result.stderr
    assert "warning: 100.0 % of the evaluation text was also" in result.stderr


def test_a_list_of_numbers_is_the_sparsity_of_each_block(folder: Path) -> None:
    result = run(folder, "--method", "wanda", "--allocation", "0.25,0.5,0.75")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["sparsity"] == 0.5
    assert block_sparsities(folder) == [0.25, 0.5, 0.75]


def remove(folder: Path, *words: str) -> Result:
    fixed = [folder / "dense", folder / "out", "--dataset", folder / "rows.jsonl"]
    return CliRunner().invoke(app, [*map(str, fixed), *words])


def test_a_model_gets_smaller_without_a_sparsity(folder: Path) -> None:
    result = remove(folder, "--method", "neurons", "--ratio", "0.2")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout.splitlines()[-1])["parameters_removed"] == 3 * 3 * 16 * 32
    config = json.loads((folder / "out" / "config.json").read_text())
    assert config["intermediate_size"] == 32
    assert [path.name for path in (folder / "out").iterdir() if path.is_dir()] == []


def test_a_model_is_binarised_without_a_sparsity(folder: Path) -> None:
    result = remove(folder, "--binarize")

    assert result.exit_code == 0, result.stderr
    metrics = json.loads(result.stdout.splitlines()[-1])
    assert metrics["binarization"]["bits_per_weight"] > 1


def test_a_model_is_pruned_gradually(folder: Path) -> None:
    result = remove(folder, "--method", "wanda", "--sparsity", "0.5", "--steps", "2")

    assert result.exit_code == 0, result.stderr
    metrics = json.loads(result.stdout.splitlines()[-1])
    assert [step["sparsity"] for step in metrics["steps"]] == [0.25, 0.5]
    assert [path.name for path in (folder / "out").iterdir() if path.is_dir()] == []


def test_a_ratio_that_does_not_fit_is_refused_with_one_that_does(folder: Path) -> None:
    result = remove(folder, "--method", "depth", "--ratio", "0.9")

    assert result.exit_code == 2
    assert "ratio 0.9: on this model it removes 3 of 3 blocks" in result.stderr
    assert "Set ratio to 0.6667, the nearest that fits." in result.stderr
    assert not (folder / "out").exists()


@pytest.mark.parametrize("words", [(), ("--plan",)])
def test_a_ratio_without_a_whole_head_is_refused_before_any_work(
    folder: Path, words: tuple[str, ...]
) -> None:
    result = remove(folder, "--method", "heads", "--ratio", "0.01", *words)

    assert result.exit_code == 2
    assert "ratio 0.01: on this model it removes no unit. Set ratio to 0." in result.stderr
    assert not (folder / "out").exists()


def test_units_can_be_removed_in_place(folder: Path) -> None:
    words = ("--method", "adapt", "--ratio", "0.3", "--no-uniform")
    result = remove(folder, *words)

    assert result.exit_code == 0, result.stderr
    metrics = json.loads(result.stdout.splitlines()[-1])
    assert metrics["parameters_removed"] == 0
    assert metrics["sparsity"] > 0.25
    report = json.loads((folder / "out" / "report.json").read_text())
    assert "neither smaller nor faster" in report["warnings"][0]


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_dsnot_swaps_weights_that_keep_their_values(folder: Path, propagation: str) -> None:
    words = ["--method", "wanda", "--pattern", "2:4", "--propagation", propagation]
    assert run(folder, *words).exit_code == 0
    plain = pruned_weights(folder)
    shutil.rmtree(folder / "out")

    result = run(folder, *words, "--solver", "dsnot")

    assert result.exit_code == 0, result.stderr
    dense, swapped = weights(folder / "dense"), pruned_weights(folder)
    for name, weight in swapped.items():
        assert torch.equal(weight[weight != 0], dense[name][weight != 0])
        assert ((weight != 0).view(-1, 4).sum(1) == 2).all()
        if "attn" in name:
            assert not torch.equal(weight, plain[name])


@pytest.mark.parametrize(
    ("propagation", "share", "damping"), [("fused", "0.3", "0.1"), ("reference", "0", "0.01")]
)
def test_a_solver_uses_the_best_settings_unless_the_published_protocol_is_requested(
    folder: Path, propagation: str, share: str, damping: str
) -> None:
    words = ["--method", "alps", "--propagation", propagation]
    figures = []
    for more in ([], ["--correction", share, "--damping", damping]):
        result = run(folder, *words, *more)
        assert result.exit_code == 0, result.stderr
        figures.append(json.loads(result.stdout.splitlines()[-1])["pruned_perplexity"])
        (folder / "out").rename(folder / f"out{len(figures)}")
    assert figures[0] == figures[1]


@pytest.mark.parametrize("propagation", ["fused", "reference"])
def test_gblm_chooses_by_the_dense_models_gradients(folder: Path, propagation: str) -> None:
    assert run(folder, "--method", "wanda", "--propagation", propagation).exit_code == 0
    by_wanda = pruned_weights(folder)
    shutil.rmtree(folder / "out")

    result = run(folder, "--method", "gblm", "--propagation", propagation)

    assert result.exit_code == 0, result.stderr
    dense, pruned = weights(folder / "dense"), pruned_weights(folder)
    for name, weight in pruned.items():
        assert torch.equal(weight[weight != 0], dense[name][weight != 0])
        assert ((weight == 0).sum(1) == weight.shape[1] // 2).all()
    assert any(not torch.equal(weight, by_wanda[name]) for name, weight in pruned.items())
    assert not any(path.is_dir() for path in (folder / "out").iterdir())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--correction", "0.3"], 2, "Name a solver such as alps, or leave correction out"),
        (["--correction", "1.5"], 2, "is too large. Use a value of at most 1."),
        (["--allocation", "0.25,0.5"], 2, "Set sparsity to 0.375, or correct allocation"),
        (["--allocation", "0.4,0.6"], 1, "2 sparsities for a model of 3 blocks"),
        (["--allocation", "0.25,much"], 2, "Use uniform, owl, dlp or matrix"),
        (["--recover", "masked"], 2, "Set samples below 24, or name an eval_dataset"),
        (["--recover-tokens", "8"], 2, "Invalid value for --recover: it is required"),
        (["--sparsity", "50"], 2, "Write 0.5 for 50 %. Use a value below 1"),
        (["--method", "wandda"], 2, "Did you mean wanda?"),
        (["--binarize", "--preset", "best"], 2, "Leave method and preset out, or leave binarize"),
        (["--recover", "dense"], 2, "'masked', 'mask_lora', 'spp', 'ast' or 'router'"),
        (["--device", "cuda:99"], 1, "cuda:99 does not exist, torch finds"),
        (["--plan", "--device", "cuda:99"], 1, "cuda:99 does not exist, torch finds"),
    ],
)
def test_an_impossible_request_is_reported_and_writes_nothing(
    folder: Path, words: list[str], code: int, said: str
) -> None:
    result = run(folder, *words)

    assert result.exit_code == code
    assert said in result.stderr
    assert not (folder / "out").exists()


def test_a_file_that_holds_no_signing_key_is_refused_before_the_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZPRUNER_SIGNING_KEY_FILE", str(folder / "rows.jsonl"))
    result = run(folder)
    assert result.exit_code == 2
    assert "does not hold a private key" in result.stderr
    assert str(folder / "rows.jsonl") in result.stderr
    assert not (folder / "out").exists()


def test_a_checkpoint_with_infinite_weights_is_refused_with_the_tensors_name(
    folder: Path,
) -> None:
    index = json.loads((folder / "dense" / "model.safetensors.index.json").read_text())
    file = folder / "dense" / index["weight_map"]["model.norm.weight"]
    tensors = load_file(file)
    tensors["model.norm.weight"][3] = float("nan")
    save_file(tensors, file, metadata={"format": "pt"})

    result = run(folder)

    assert result.exit_code == 1
    assert "tensor 'model.norm.weight' contains NaN or infinity" in result.stderr
    misspelt = run(folder, "--skip", "*.oproj")  # seen before all weights are read
    assert "no layer of the model matches '*.oproj'" in misspelt.stderr
    assert not (folder / "out").exists()


def test_a_plan_is_printed_and_nothing_is_written(folder: Path) -> None:
    result = run(folder, "--plan", "--solver", "alps")

    assert result.exit_code == 0, result.stderr
    plan = json.loads(result.stdout)
    assert plan["propagation"] == "fused"
    assert 0 < plan["working_bytes"] < plan["host_bytes"]
    assert plan["artifact_bytes"] > 100_000
    assert plan["seconds"] > 0
    assert not (folder / "out").exists()


def test_a_plan_on_a_busy_machine_has_the_time_now_and_the_time_alone(folder: Path) -> None:
    with busy_processes(2 * CORES):
        result = run(folder, "--plan")

    assert result.exit_code == 0, result.stderr
    plan = json.loads(result.stdout)
    assert 0 < plan["seconds_alone"] < plan["seconds"]
    now, alone = (duration_text(plan[name]) for name in ("seconds", "seconds_alone"))
    assert f"the machine is busy: {now} now; {alone} when it is free" in result.stderr


def test_a_plan_on_a_free_machine_has_one_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "BUSY", float("inf"))  # whatever else runs beside this test
    result = run(folder, "--plan")
    assert result.exit_code == 0, result.stderr
    assert "seconds_alone" not in json.loads(result.stdout)
    assert result.stderr == ""


def test_a_budget_that_nothing_fits_into_is_refused_with_both_figures(folder: Path) -> None:
    result = run(folder, "--memory-budget-bytes", "1000000")

    assert result.exit_code == 1
    assert "ZPRUNER_MEMORY_BUDGET_BYTES leaves 0 MB; provide that much memory" in result.stderr
    assert not (folder / "out").exists()


def test_the_report_holds_the_plan_beside_what_was_measured(folder: Path) -> None:
    run(folder)

    report = json.loads((folder / "out" / "report.json").read_text())
    assert report["plan"]["host_bytes"] == report["metrics"]["predicted_peak_memory_bytes"]
    assert report["plan"]["batch_tokens"] == 512
    assert report["plan"]["seconds"] > 0


@pytest.mark.parametrize(
    ("ended_by", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted; run the same command again"),
        (MemoryError(), 1, "error: out of memory"),
        (
            OSError(errno.ENOSPC, "No space left on device", "out/x"),
            1,
            "error: [Errno 28] No space",
        ),
    ],
)
def test_an_error_during_the_work_is_printed_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ended_by: BaseException, code: int, said: str
) -> None:
    def engine(*_: object) -> Iterator[JobProgress]:
        yield JobProgress(phase=Phase.loading, fraction=0.0)
        raise ended_by

    monkeypatch.setattr("worker.standalone.command.prune", engine)
    result = run(folder)

    assert result.exit_code == code
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    assert not (folder / "out").exists()


def test_the_same_command_resumes_after_a_kill_and_reports_it(folder: Path) -> None:
    assert run(folder).exit_code == 0
    (folder / "out").rename(folder / "undisturbed")
    words = [folder / "dense", folder / "out", "--dataset", folder / "rows.jsonl"]
    run_until_killed(command_until_block, *map(str, words), "--sparsity", "0.5")
    assert not (folder / "out").exists()

    result = run(folder)

    assert result.exit_code == 0, result.stderr
    assert "resuming after block 2 of an earlier run" in result.stderr
    assert weights_sha256(folder / "out") == weights_sha256(folder / "undisturbed")
    assert not list(folder.rglob(".*"))


def test_a_recovery_keeps_the_zeros_and_says_what_it_did(folder: Path) -> None:
    words = ("--samples", "16", "--eval-samples", "8", "--method", "wanda", "--dtype", "float32")
    assert run(folder, *words).exit_code == 0
    (folder / "out").rename(folder / "swept")

    result = run(folder, *words, "--recover", "masked", "--recover-tokens", str(3 * 2048))

    assert result.exit_code == 0, result.stderr
    swept, recovered = weights(folder / "swept"), weights(folder / "out")
    assert swept.keys() == recovered.keys()
    for name in (name for name in swept if name.endswith("proj.weight")):
        assert torch.equal(swept[name] == 0, recovered[name] == 0)
    before, after = (
        json.loads((folder / name / "report.json").read_text()) for name in ("swept", "out")
    )
    metrics, measured = after["metrics"], after["metrics"]["recovery"]
    assert metrics == json.loads(result.stdout.splitlines()[-1])
    for name in ("zeros", "sparsity", "dense_perplexity"):
        assert metrics[name] == before["metrics"][name]
    assert metrics["perplexity_before_recovery"] == before["metrics"]["pruned_perplexity"]
    assert (measured["steps"], measured["tokens"]) == (3, 3 * 2048)
    assert measured["held_out_loss_after"] < measured["held_out_loss_before"]
    assert [point["step"] for point in after["recovery"]["curve"]] == [0, 1, 2, 3]
    assert after["recovery"]["training"]["windows"] == 14
    assert after["recovery"]["held_out"]["windows"] == 2
    assert after["recovery"]["training"]["rounds"] == 28  # 384 windows of 16 tokens
    assert "then trained by the recovery `masked`" in (folder / "out" / "README.md").read_text()
    assert not [path for path in (folder / "out").iterdir() if path.is_dir()]


def test_a_recovery_is_planned_with_the_sweep(folder: Path) -> None:
    words = ("--plan", "--samples", "16")
    swept, both = (
        json.loads(run(folder, *words, *more).stdout)
        for more in ((), ("--recover", "spp", "--recover-kl", "1"))
    )
    assert "recovery" not in swept
    assert both["seconds"] == pytest.approx(swept["seconds"] + both["recovery"]["seconds"], rel=0.5)
    assert both["host_bytes"] >= max(swept["working_bytes"], both["recovery"]["working_bytes"])
    assert both["scratch_bytes"] >= both["artifact_bytes"] + both["recovery"]["scratch_bytes"]


def weights_sha256(folder: Path) -> list[str]:
    """Return the lines of ``SHA256SUMS`` that are about weights."""
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    return [line for line in lines if line.endswith(".safetensors")]


def test_a_refined_block_reports_its_held_out_loss(folder: Path) -> None:
    result = run(folder, "--refine", "--refine-steps", "4", "--refine-lr", "1e-3")

    assert result.exit_code == 0, result.stderr
    report = json.loads((folder / "out" / "report.json").read_text())
    for block in report["blocks"]:
        refinement = block["refinement"]
        assert 0 < refinement["held_out_after"] <= refinement["held_out_before"]
        assert refinement["learning_rate"] == 1e-3
    assert report["plan"]["seconds"] > 0
    assert "trained in 4 steps" in (folder / "out" / "README.md").read_text()


def test_too_few_rows_to_refine_with_are_refused(folder: Path) -> None:
    rows = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    (folder / "rows.jsonl").write_text("".join(rows[:5]))
    result = run(folder, "--refine")
    assert (result.exit_code, (folder / "out").exists()) == (1, False)
    assert "gets 5 of 16 tokens; set samples to 8 or more" in result.stderr


@pytest.mark.usefixtures("forked_ranks")
def test_two_processes_write_what_one_writes(folder: Path) -> None:
    words = ("--method", "wanda", "--dtype", "float32")
    alone = run(folder, *words)
    (folder / "out").rename(folder / "alone")
    shared = run(folder, *words, "--devices", "2")
    assert (alone.exit_code, shared.exit_code) == (0, 0), shared.stderr
    for shard in (folder / "alone").glob("*.safetensors"):
        assert shard.read_bytes() == (folder / "out" / shard.name).read_bytes()
    report = json.loads((folder / "out" / "report.json").read_text())
    assert report["computed"]["devices"] == 2


def test_an_architecture_that_is_not_known_is_refused_and_leaves_nothing(folder: Path) -> None:
    config = folder / "dense" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "brandnew"}))
    result = run(folder)
    assert result.exit_code == 1
    assert "model type is 'brandnew'" in " ".join(result.stderr.split())
    assert {path.name for path in folder.iterdir()} == {"dense", "rows.jsonl"}


def test_a_pattern_needs_no_sparsity_and_one_of_both_is_needed(folder: Path) -> None:
    fixed = [folder / "dense", folder / "out", "--dataset", folder / "rows.jsonl"]
    words = list(map(str, fixed))

    implied = CliRunner().invoke(app, [*words, "--pattern", "1:4", "--eval-samples", "2"])
    assert implied.exit_code == 0, implied.stderr
    assert json.loads(implied.stdout.splitlines()[-1])["sparsity"] == 0.75

    (folder / "out").rename(folder / "implied")
    kept = CliRunner().invoke(app, [*words, "--method", "none", "--eval-samples", "2"])
    assert kept.exit_code == 0, kept.stderr
    assert json.loads(kept.stdout.splitlines()[-1])["zeros"] == 0
    assert weights(folder / "out").keys() == weights(folder / "dense").keys()

    (folder / "out").rename(folder / "kept")
    neither = CliRunner().invoke(app, words)
    assert neither.exit_code == 2
    assert "or --pattern such as 2:4" in " ".join(neither.stderr.split())
    twice = CliRunner().invoke(app, [*words, "--pattern", "2:4", "--sparsity", "0.6"])
    assert twice.exit_code == 2
    assert "sparsity 0.6: pattern 2:4 gives 0.5" in twice.stderr


def test_a_field_is_chosen_and_one_that_is_not_there_is_refused(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps({"body": "a text", **row}) + "\n" for row in rows)
    )
    refused = run(folder, "--text-field", "nope")
    assert refused.exit_code == 2
    assert "text_field 'nope'" in refused.stderr
    assert "its fields are body, input_ids" in refused.stderr
    refused = run(folder, "--text-field", "body")
    assert "the model has no tokenizer" in refused.stderr, "its text is read, and not the ids"
    assert not (folder / "out").exists()
