"""The table of unseen texts: its rows are jobs, and a row is measured and written."""

import json
from pathlib import Path

import pytest

from benchmarks.quality.texts import ROWS, accuracies, main, markdown, row_fields
from db.spec.combination import check_combination
from db.spec.prune_spec import PruneSpec
from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.evaluation import self_written
from worker.sources import stdlib


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_a_job_that_is_accepted(row: str) -> None:
    fields = row_fields(row, Path("general.txt"))
    if fields["recover"] is not None:
        fields["recover"]["kind"] = "masked"
    check_combination(PruneSpec.model_validate({"model": "m", "dataset": "c4"} | fields))


def test_a_row_is_measured_on_all_texts_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model_and_tokenizer(tmp_path / "model")
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text(f"The {name} fox jumps over the lazy dog.\n" * 40)
    monkeypatch.setattr(stdlib, "documents", lambda: ["A word of a document. " * 9] * 10)
    monkeypatch.setattr(stdlib, "code", lambda: ["def word(): return 1\n" * 9] * 10)
    monkeypatch.setattr(self_written, "MOST_ROWS", 8)
    row, out = "50 %, half generated, KL", tmp_path / "table.json"
    small = "--tokens 128 --windows 4 --seq-len 32 --eval-windows 2"
    given = f"--calibration {tmp_path}/one.txt --texts two={tmp_path}/two.txt --out {out} {small}"
    given += f" --jobs {tmp_path}/jobs --lr 1e-4"
    arguments = [*given.split(), "--model", str(tmp_path / "model"), "--only", row]
    main(arguments)
    assert (tmp_path / "jobs" / "50-half-generated-KL" / "config.json").is_file()
    table = json.loads(out.read_text())
    assert table["protocol"]["sha256"].keys() == {"calibration", "two"}
    rows = table["rows"]
    assert rows[row]["ratios"].keys() == {"two", "stdlib-code", "stdlib-docs"}
    assert rows[row]["worst_ratio"] == max(rows[row]["ratios"].values())
    assert row in out.with_suffix(".md").read_text()

    main([*arguments[:-1], "50 %, half generated, not recovered", "--resume"])
    assert json.loads(out.read_text())["rows"].keys() > {row}
    for name, is_trained in (("KL", True), ("not-recovered", False)):
        report = tmp_path / "jobs" / f"50-half-generated-{name}" / "report.json"
        assert ("recovery" in json.loads(report.read_text())) is is_trained

    out.write_text(out.read_text().replace(str(rows[row]["worst_ratio"]), "77.0", 1))
    main([*arguments, "--resume"])
    assert json.loads(out.read_text())["rows"][row]["worst_ratio"] == 77.0


def test_the_worst_ratio_comes_first_and_orders_the_rows_of_each_way_to_prune() -> None:
    shared = {"kl": {}, "accuracy_drop": 0.0123, "accuracy_drop_stderr": 0.01}
    rows = {
        name: {"worst_ratio": worst, "ratios": {"web": worst}, "errors": {"web": error}} | shared
        for name, worst, error in (
            ("2:4, thirds, KL", 1.5, None),
            ("50 %, thirds, KL", 1.3, 0.01),
            ("50 %, generated, KL", 1.2, 0.01),
        )
    }
    assert markdown(rows).splitlines() == [
        "| | worst | web | accuracy lost |",
        "|---|---:|---:|---:|",
        "| 50 %, generated, KL | **1.200** | 1.200 ± 0.020 | 1.2% ± 2.0% |",
        "| 50 %, thirds, KL | **1.300** | 1.300 ± 0.020 | 1.2% ± 2.0% |",
        "| 2:4, thirds, KL | **1.500** | 1.500 | 1.2% ± 2.0% |",
    ]


def test_the_accuracy_lost_is_the_mean_of_the_tasks_with_its_error() -> None:
    metrics = {
        "dense_acc": {"a": 0.5, "b": 0.6},
        "acc": {"a": 0.48, "b": 0.56},
        "acc_drop": {"a": 0.02, "b": 0.04},
        "acc_drop_stderr": {"a": 0.03, "b": 0.04},
    }
    assert accuracies(metrics) == {
        "tasks": {"a": {"dense": 0.5, "pruned": 0.48}, "b": {"dense": 0.6, "pruned": 0.56}},
        "accuracy_drop": pytest.approx(0.03),
        "accuracy_drop_stderr": pytest.approx(0.025),
    }
    assert accuracies({}) == {"tasks": {}, "accuracy_drop": None, "accuracy_drop_stderr": None}
