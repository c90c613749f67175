"""The windows of a job, and the limits within which its datasets are read."""

from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped] # it has none
import pyarrow.parquet as pq  # type: ignore[import-untyped] # it has none
import pytest
import torch

from db.core.errors import SpecRefusedError
from db.files import file_check
from db.spec.prune_spec import PruneSpec
from tests.models import random_ids
from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.jobs.windows import JobWindows, RecoveryWindows
from worker.pruning.base.generators import run_to_end
from worker.sources.windows import windows


def test_text_that_the_recovery_trains_on_overlaps_as_well() -> None:
    ids = random_ids(6, 20)
    calibration, evaluation, held_out = (windows(ids[start : start + 2]) for start in (0, 2, 4))
    assert JobWindows(calibration, evaluation).overlap() == 0.0
    training = windows(torch.cat([ids[:2], ids[2:3]]))
    recovered = JobWindows(calibration, evaluation, RecoveryWindows(training, held_out))
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
