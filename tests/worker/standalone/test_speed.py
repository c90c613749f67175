"""``zpruner speed`` on small models."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from db.spec.metrics import OPTIONAL_METRICS
from db.spec.quality_gate import metric_value
from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.standalone.speed import app
from zpruner.parts.programs import command, environment


def speed(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, words), "--device", "cpu"])


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("worker.benchmark.measurement.NEW_TOKENS", 8)
    return write_model_and_tokenizer(tmp_path / "model", positions=80)


def test_two_folders_are_measured_and_compared_in_words(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.benchmark.rounds.ROUNDS", 6)
    result = speed(model, model)

    assert result.exit_code == 0, result.stderr
    head, prefill, decode, _, _, *sentences = result.stdout.splitlines()
    assert head.split() == ["dense", "pruned"]
    assert prefill.startswith("prefill, tokens/s ")
    assert all(float(figure) > 0 for figure in decode.split()[-2:])
    assert sentences[-1] == "Files: the same size."
    shown = [line for line in result.stderr.splitlines() if line.endswith(" measuring")]
    assert len(shown) > 5
    assert shown[-1] == "100% measuring"


def test_all_measurements_are_printed_as_json(model: Path) -> None:
    result = speed(model, model, "--json", "--dtype", "float32")

    assert result.exit_code == 0, result.stderr
    measured = json.loads(result.stdout)
    numbers = [name for name in OPTIONAL_METRICS["benchmark"] if "memory" not in name]
    assert all(metric_value(measured, name) for name in numbers)
    assert measured["benchmark"]["dtype"] == "float32"
    assert len(measured["benchmark"]["rounds"]) == 9


def test_paths_without_a_model_are_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file.gguf").write_bytes(b"")
    for pruned in ("missing", "file.gguf"):
        result = speed(model, tmp_path / pruned)
        assert result.exit_code == 2
        assert "two model folders or two .gguf files" in result.stderr


def test_openvino_runs_no_folders(model: Path) -> None:
    result = speed(model, model, "--runtime", "openvino")
    assert result.exit_code == 2
    assert "it runs GGUF files only. Write the folders with zpruner gguf" in result.stderr


def test_a_damaged_model_is_an_error_without_a_traceback(model: Path) -> None:
    (model / "model.safetensors").write_bytes(b"damaged")
    result = speed(model, model)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


def test_an_unknown_device_is_refused_before_torch_is_imported(model: Path) -> None:
    words = command("speed", str(model), str(model), "--device", "tpu")
    done = subprocess.run(words, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2
    assert "it is not auto, cpu, cuda" in done.stderr
