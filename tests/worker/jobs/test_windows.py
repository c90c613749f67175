"""The windows of a job, and the limits within which its datasets are read."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # it has none
import pyarrow.parquet as pq  # type: ignore[import-untyped] # it has none
import pytest
import torch
from transformers import AutoModelForCausalLM

from db.core.errors import SpecRefusedError
from db.files import file_check
from db.spec.inputs.references import Builtin, HubDataset
from db.spec.prune_spec import PruneSpec
from tests.models import random_ids
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.recovery.recoveries import recovery_settings
from tests.worker.sources.builders import byte_tokenizer
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.jobs.windows import (
    JobWindows,
    RecoveryTexts,
    _further_parts,
    check_recovery,
    has_protocol,
)
from worker.pruning.base.generators import run_to_end
from worker.sources import stdlib
from worker.sources.calibration import CalibrationPart
from worker.sources.windows import windows

PROTOCOL, WINDOW, MEASURED = "stdlib-docs@48", 48, 3


def run(folder: Path, out: str, **fields: Any) -> dict[str, Any]:
    """Return the report of a job that measures perplexity by a protocol."""
    given = {"model": f"local:{folder / 'model'}", "dataset": "stdlib-docs", "sparsity": 0.5}
    small = {"samples": 4, "seq_len": 32, "dtype": "float32", "eval_samples": MEASURED}
    spec = PruneSpec.model_validate(given | small | {"eval_dataset": PROTOCOL} | fields)
    (folder / out).mkdir()
    run_to_end(prune(spec, folder / out, Resources(device="cpu")))
    report: dict[str, Any] = json.loads((folder / out / "report.json").read_text())
    return report


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model."""
    folder = tmp_path_factory.mktemp("protocols")
    write_model_and_tokenizer(folder / "model")
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    """The report of a job whose windows are shorter than those of its protocol."""
    return run(folder, "out")


def perplexity(folder: Path, ids: torch.Tensor) -> float:
    """Return the perplexity of a folder's model, measured as the published code does."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    total = 0.0
    for window in ids:
        logits = model(window[None]).logits[0, :-1]
        total += torch.nn.CrossEntropyLoss()(logits, window[1:]).item() * len(window)
    return float(torch.tensor(total / ids.numel()).exp())


def test_a_protocol_has_windows_of_its_own_and_the_published_perplexity(
    folder: Path, report: dict[str, Any]
) -> None:
    text = byte_tokenizer()("\n\n".join(stdlib.documents()[9::10])[:1000])["input_ids"]
    ids = torch.tensor(text[: MEASURED * WINDOW]).view(MEASURED, WINDOW)
    measured, metrics = report["evaluation"], report["metrics"]
    assert report["calibration"]["window"] == 32
    assert (measured["dataset"], measured["window"], measured["windows"]) == (PROTOCOL, WINDOW, 3)
    digest = sha256(ids.numpy().astype("<i8").tobytes()).hexdigest()
    assert measured["token_ids_sha256"] == metrics["protocol"]["token_ids_sha256"] == digest
    for name, model in (("dense_perplexity", "model"), ("pruned_perplexity", "out")):
        assert metrics[name] == pytest.approx(perplexity(folder / model, ids), rel=1e-4)


def test_a_job_of_other_calibration_windows_measures_the_same_tokens_also_after_a_recovery(
    folder: Path, report: dict[str, Any]
) -> None:
    other = run(folder, "other", seq_len=64, recover={"kind": "masked", "tokens": 128})
    assert other["recovery"]["training"]["window"] == 64
    assert other["metrics"]["protocol"] == report["metrics"]["protocol"]
    dense = report["metrics"]["dense_perplexity"]
    assert other["metrics"]["dense_perplexity"] == pytest.approx(dense)


def test_the_text_of_a_protocol_is_held_out_from_the_same_dataset(report: dict[str, Any]) -> None:
    assert report["calibration"]["split"] == "nine of ten modules"
    assert report["evaluation"]["split"] == "every tenth module"


@pytest.mark.parametrize(
    ("fields", "is_held_out"),
    [
        ({"eval_dataset": "wikitext2", "eval_texts": ["pile@48"]}, True),
        ({"eval_dataset": "pile@48"}, True),
        ({"eval_dataset": "wikitext2@48", "eval_texts": ["c4@48"]}, False),
        ({"eval_dataset": "wikitext2", "eval_texts": ["pile"]}, False),
    ],
)
def test_documents_of_any_protocol_of_a_job_are_held_out(
    fields: dict[str, Any], is_held_out: bool
) -> None:
    spec = PruneSpec.model_validate({"model": "a/b", "sparsity": 0.5, "dataset": "c4"} | fields)
    assert has_protocol(spec, Builtin("pile")) == is_held_out
    assert not has_protocol(spec, HubDataset("org/pile"))


def test_the_parts_of_a_mix_hold_out_what_further_texts_measure() -> None:
    mix = [{"dataset": "pile", "share": 0.5}, {"dataset": "ptb", "share": 0.1}]
    fields = {"model": "a/b", "sparsity": 0.5, "dataset": "c4", "mix": mix}
    spec = PruneSpec.model_validate(fields | {"eval_texts": ["pile@48"]})
    first = CalibrationPart(Builtin("c4"), None, 32)
    parts = _further_parts(spec, Resources(device="cpu"), first, None)
    held_out = [part.hold_out for part in parts if isinstance(part, CalibrationPart)]
    assert held_out == [True, False]


def test_text_that_the_recovery_trains_on_overlaps_as_well() -> None:
    ids = random_ids(6, 20)
    calibration, evaluation, held_out = (windows(ids[start : start + 2]) for start in (0, 2, 4))
    assert JobWindows(calibration, evaluation).overlap() == 0.0
    training = windows(torch.cat([ids[:2], ids[2:3]]))
    recovered = JobWindows(calibration, evaluation, RecoveryTexts.of(training, held_out))
    assert recovered.overlap() == 0.5


def test_a_parquet_file_that_takes_too_much_memory_is_refused_before_the_job_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model_and_tokenizer(tmp_path / "model")
    text = pa.DictionaryArray.from_arrays([0] * 64, ["The quick brown fox. " * 500_000])
    pq.write_table(pa.table({"text": text}), tmp_path / "rows.parquet", store_schema=False)
    names = {"model": f"local:{tmp_path}/model", "dataset": f"local:{tmp_path}/rows.parquet"}
    spec = PruneSpec.model_validate(names | {"sparsity": 0.5, "samples": 2, "seq_len": 16})
    monkeypatch.setattr(file_check, "PARQUET_MEMORY_BYTES", 512 << 20)
    with pytest.raises(SpecRefusedError, match="alloc of size") as refused:
        run_to_end(prune(spec, tmp_path, Resources(device="cpu")))
    assert (refused.value.field, refused.value.code) == ("dataset", "unreadable_dataset")


def test_a_recovery_trains_on_the_shares_of_the_calibration(folder: Path) -> None:
    (folder / "own.txt").write_text("0123456789" * 300)
    mix = [{"dataset": f"local:{folder}/own.txt", "share": 0.25}]
    recover = {"kind": "masked", "tokens": 8 * 32}
    found = run(folder, "mixed", mix=mix, recover=recover)
    counts = [part["windows"] for part in found["calibration"]["sources"]]
    trained = [part["windows"] for part in found["recovery"]["training"]["sources"]]
    assert (counts, trained) == ([3, 1], [6, 2])
    assert found["evaluation"]["dataset"] == PROTOCOL


def test_a_recovery_that_leaves_out_all_tokens_of_a_window_is_refused() -> None:
    spec = PruneSpec(model="a/b", sparsity=0.5, dataset="c4")
    check_recovery(spec, recovery_settings("masked", skip=62), 64)
    with pytest.raises(SpecRefusedError, match="64 tokens have none to learn from") as refused:
        check_recovery(spec, recovery_settings("masked", skip=63), 64)
    assert (refused.value.field, refused.value.value) == ("recover.skip", 63)
    assert refused.value.remedy == "Set it to 62 or less, or seq_len to 65 or more."


@pytest.mark.parametrize(
    ("field", "refused"), [("eval_dataset", "mix.0.dataset"), ("eval_texts", "eval_texts.0")]
)
def test_a_text_of_a_mix_is_not_measured_on_under_another_name(
    folder: Path, tmp_path: Path, field: str, refused: str
) -> None:
    for name in ("one", "same"):
        (tmp_path / f"{name}.txt").write_text("abcdefghij" * 300)
    mix, name = (
        [{"dataset": f"local:{tmp_path}/one.txt", "share": 0.5}],
        f"local:{tmp_path}/same.txt",
    )
    measured = {field: name if field == "eval_dataset" else [name]}
    with pytest.raises(SpecRefusedError, match=r"is the text that perp|is a text that") as found:
        run(folder, field, mix=mix, **measured)
    assert found.value.field == refused
