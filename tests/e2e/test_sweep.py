"""A sweep, an estimate and a comparison through the whole service."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.e2e.commands import run
from tests.e2e.embedded import SPEC, Service
from tests.waiting import DEADLINE_S
from zpruner import Client, ProblemError

pytestmark = pytest.mark.e2e

OPTIONS = {name: value for name, value in SPEC.items() if name not in {"sparsity", "dataset"}}
WORDS = ("--dataset", "local:text.txt", "--seq-len", "64", "--eval-samples", "8", "--samples", "4")


def test_a_sweep_measures_the_dense_loss_once_and_marks_its_pareto_front(client: Client) -> None:
    made = client.sweeps.create(
        "local:tiny",
        "local:text.txt",
        grid={"sparsity": [0.25, 0.75], "method": ["wanda", "magnitude"]},
        max_parallel=1,
        gate={"min": {"sparsity": 0.5}},
        samples=4,
        # The service may know the dense loss on the windows of other tests.
        **OPTIONS | {"eval_samples": 6},
    )

    sweep = client.sweeps.wait(made.id, timeout_s=DEADLINE_S)

    assert sweep.counts == {"succeeded": 4}
    assert [point.verdict for point in sweep.points] == ["fail", "fail", "pass", "pass"]
    assert [point.sparsity for point in sweep.points] == [0.25, 0.25, 0.75, 0.75]
    best = [point for point in sweep.points if point.on_front]
    assert [point.job_id for point in best] == sweep.front
    jobs = [client.jobs.get(point.job_id) for point in sweep.points]
    assert [(job.result or {})["dense_loss_known"] for job in jobs] == [False, True, True, True]
    assert len({(job.result or {})["dense_perplexity"] for job in jobs}) == 1
    # The jobs ran one after another, in the order of the points.
    for before, after in pairwise(jobs):
        assert before.finished_at is not None
        assert after.started_at is not None
        assert before.finished_at <= after.started_at
    with pytest.raises(ProblemError) as refused:
        client.jobs.result(jobs[0].id)
    assert refused.value.problem.code == "gate_failed"
    compared = client.compare(*(job.id for job in jobs))
    assert compared.comparable, compared.reasons
    assert set(compared.differences) == {"sparsity", "method"}


def test_the_command_line_shows_the_estimate_of_a_real_model(
    service: Service, inputs: Path
) -> None:
    found = run(service, "estimate", "local:tiny", "--sparsity", "0.5", *WORDS, "--json")

    assert found.returncode == 0, found.stderr
    estimate = json.loads(found.stdout)
    assert estimate["fits"] is True
    assert estimate["model"]["blocks"] == 2
    assert estimate["seconds"]["p90"] > estimate["seconds"]["p50"] > 0
    stored = sum(path.stat().st_size for path in (inputs / "tiny").glob("*.safetensors"))
    assert 0 < estimate["artifact_bytes"] <= stored


def test_run_ends_with_exit_code_3_if_the_gate_fails(service: Service) -> None:
    gate = ("--gate-max", "perplexity_ratio=0.01")
    result = run(service, "run", "local:tiny", "--sparsity", "0.5", *WORDS, *gate)
    assert result.returncode == 3, result.stderr
    assert "perplexity_ratio" in result.stdout


def test_the_command_line_sweeps_and_shows_a_row_for_each_point(service: Service) -> None:
    result = run(service, "sweep", "local:tiny", "--sparsity", "0.3,0.5", *WORDS)
    assert result.returncode == 0, result.stderr
    assert len([line for line in result.stdout.splitlines() if "job_" in line]) == 2
    assert "*" in result.stdout
