"""What one step of a gradual job takes of the whole job's recovery, and what its gate looks at."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from tests.models import FAMILIES, random_ids, write_model
from tests.worker.recovery.recoveries import recovery_settings
from worker.jobs.increments.parts import job_of, recovery_at
from worker.jobs.increments.step_metrics import violated_bounds
from worker.jobs.opened_job import OpenedJob
from worker.jobs.recipes import last_increment
from worker.jobs.resources import Resources
from worker.pruning.base.compute import compute_device
from worker.pruning.base.increments import AT_ONCE, Increment
from worker.sources.models import ModelFolder


def opened(folder: Path, tokens: int, steps: int) -> OpenedJob:
    """Open a job whose text has 40 windows of 16 tokens; four of them are held out."""
    write_model(folder / "dense", FAMILIES["llama"])
    rows = ({"input_ids": row} for row in random_ids(44, 16).tolist())
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = {"model": str(folder / "dense"), "dataset": str(folder / "rows.jsonl"), "samples": 40}
    fields |= {"sparsity": 0.5, "recover": {"kind": "spp", "tokens": tokens}, "steps": steps}
    spec = PruneSpec.model_validate(fields)
    model = ModelFolder(folder / "dense", "dense", None)
    return OpenedJob.open(spec, model, (compute_device("cpu"),), Resources(device="cpu"))


@pytest.mark.parametrize("tokens", [32 * 16, 100 * 16])
def test_the_windows_of_all_steps_are_those_of_the_whole_recovery(
    tmp_path: Path, tokens: int
) -> None:
    job = opened(tmp_path, tokens, steps=3)
    assert job.recovery is not None
    assert job.windows.recovery is not None
    whole = job.windows.recovery.training.ids.tolist()
    parts = [job_of(job, Increment(number, 3)) for number in (1, 2, 3)]
    trained: list[list[int]] = []
    for part in parts:
        assert part.windows.recovery is not None
        own = part.windows.recovery.training.ids.tolist()
        assert len(own) == min(len(whole), part.recovery.tokens // 16 if part.recovery else 0)
        trained += own
        held_out = part.windows.recovery.held_out.ids.tolist()
        assert held_out == job.windows.recovery.held_out.ids.tolist()[: len(held_out)] != []
        assert not [row for row in held_out if row in own]
    assert sorted({tuple(row) for row in trained}) == sorted(map(tuple, whole))
    assert sum(part.recovery.tokens for part in parts if part.recovery) == tokens


@pytest.mark.parametrize(("devices", "kept"), [(1, 3), (2, 4)])
def test_each_step_measures_on_every_text_of_a_mix(tmp_path: Path, devices: int, kept: int) -> None:
    job = opened(tmp_path, 32 * 16, steps=10)
    whole = job.windows.recovery
    assert whole is not None
    texts = replace(whole, sources=(0, 0, 1, 2))
    job = replace(job, devices=job.devices * devices, windows=replace(job.windows, recovery=texts))
    for number in range(1, 11):
        part = job_of(job, Increment(number, 10)).windows.recovery
        assert part is not None
        assert {*part.sources} == {0, 1, 2}
        assert len(part.held_out.ids) == len(part.sources) == kept


def test_a_recovery_that_is_not_divided_is_unchanged() -> None:
    recovery = recovery_settings("masked", tokens=100)
    assert recovery_at(recovery, 64, AT_ONCE) is recovery


def test_most_jobs_have_one_increment() -> None:
    spec = PruneSpec.model_validate({"model": "a/b", "sparsity": 0.5, "dataset": "c4"})
    assert last_increment(spec) == AT_ONCE
    assert last_increment(spec.model_copy(update={"steps": 7})) == Increment(7, 7)


def test_only_upper_bounds_of_measured_perplexities_end_a_job() -> None:
    metrics = {
        "pruned_perplexity": 20.0,
        "perplexity_ratio": 1.25,
        "sparsity": 0.1,
        "intervals": {"perplexity_ratio": [1.1, 1.4]},
    }

    def violated(**gate: object) -> tuple[str, ...]:
        return violated_bounds(Gate.model_validate(gate), metrics)

    assert violated_bounds(None, metrics) == ()
    assert violated(max={"pruned_perplexity": 21.0, "acc.boolq": 0.1}, min={"sparsity": 0.5}) == ()
    assert violated(max={"perplexity_before_recovery": 1.0}) == ()
    assert violated(max={"pruned_perplexity": 19.0, "perplexity_ratio": 1.2}) == (
        "pruned_perplexity is 20, wanted at most 19",
        "perplexity_ratio is 1.25, wanted at most 1.2",
    )
    assert violated(max={"perplexity_ratio": 1.2}, confidence=0.95) == ()
