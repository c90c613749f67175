"""The benchmark of a GPU, on the CPU with small shapes."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.jobs import RECOVER


def test_every_row_is_measured_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--device", "cpu", "--shapes", "tiny", "--only", "wanda", "recover"]
    main([*words, "--out", str(tmp_path / "out"), "--scratch", str(tmp_path)])
    report = json.loads((tmp_path / "out/gpu.json").read_text())
    assert report == json.loads(capsys.readouterr().out)
    rows = [(row["shape"], row["job"]) for row in report["rows"]]
    assert rows == [
        (shape, job) for shape in ("tiny", "tiny experts") for job in ("wanda", RECOVER)
    ]
    assert all(row["whole_seconds"] == 2 * row["seconds"] > 0 for row in report["rows"])
    assert all(0 < row["share"] < 1 and row["tokens_per_second"] > 0 for row in report["rows"])
    assert report["agreement"] == {"wanda": 1.0}
    assert report["left_out"] == []
    table = (tmp_path / "out/gpu.md").read_text()
    assert table.count("| tiny experts |") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_jobs_that_would_start_too_late_are_named(tmp_path: Path) -> None:
    words = ["--device", "cpu", "--shapes", "tiny", "--only", RECOVER, "--minutes", "0"]
    main([*words, "--out", str(tmp_path)])
    assert "Left out, because the time was over: tiny, recover;" in (
        (tmp_path / "gpu.md").read_text()
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_says_that_it_needs_one(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="needs a GPU, and torch finds none"):
        main(["--out", str(tmp_path)])
