"""One job through the whole service: HTTP, broker, worker, engine, files."""

import json
import subprocess
from pathlib import Path

import httpx
import pytest
from safetensors.numpy import load_file

from tests.e2e.commands import run
from tests.e2e.embedded import (
    REQUEST_S,
    SENTENCE,
    SLOW,
    Service,
    ends,
    is_in_the_middle,
    submit,
    until,
)
from tests.waiting import DEADLINE_S
from zpruner import Client, ProblemError

pytestmark = pytest.mark.e2e


def test_a_job_produces_verified_files_of_a_model_with_half_of_its_weights_zero(
    client: Client, tmp_path: Path
) -> None:
    job = client.jobs.wait(submit(client, "tiny", samples=4).id, timeout_s=DEADLINE_S)

    assert job.status == "succeeded", job.error
    assert job.result is not None
    assert job.result["sparsity"] == pytest.approx(0.5, abs=1e-3)
    assert {"dense_perplexity", "pruned_perplexity", "prune_seconds"} <= set(job.result)
    assert ends(client, job.id) == ["succeeded"]
    client.jobs.download(job.id, tmp_path)
    check = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path, check=False)
    assert check.returncode == 0
    assert zeros(tmp_path) == pytest.approx(0.5, abs=1e-3)


def test_an_uploaded_text_calibrates_and_a_link_downloads_the_result(
    client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "corpus.jsonl"
    rows = (SENTENCE.format(number) for number in range(2000))
    path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    made = client.datasets.upload(path)

    job = submit(client, "tiny", samples=4, dataset=made.dataset)
    job = client.jobs.wait(job.id, timeout_s=DEADLINE_S)

    assert job.status == "succeeded", job.error
    artifact = next(one for one in client.jobs.artifacts(job.id) if one.name == "report.json")
    report = httpx.get(client.jobs.link(artifact.id).url, timeout=REQUEST_S).json()
    assert report["calibration"]["dataset"] == made.dataset
    assert report["calibration"]["dataset_sha256"] == made.sha256
    client.datasets.delete(made.dataset)


def test_a_recovery_keeps_the_zeros_and_its_losses_can_be_read_as_events_and_in_the_report(
    service: Service, client: Client, tmp_path: Path
) -> None:
    recover = {"kind": "masked", "tokens": 3 * 2048}
    job = client.jobs.wait(
        submit(client, "tiny", samples=4, recover=recover).id, timeout_s=DEADLINE_S
    )

    assert job.status == "succeeded", job.error
    assert job.result is not None
    assert (job.spec["recover"]["kind"], job.result["recovery"]["steps"]) == ("masked", 3)
    assert job.result["pruned_perplexity"] < job.result["perplexity_before_recovery"]
    reported = [one.data.get("recovery", {}) for one in client.jobs.events(job.id)]
    followed = [one for one in reported if one.get("stage") == "training"]
    report = httpx.get(f"{service.url}/v1/jobs/{job.id}/manifest", timeout=REQUEST_S).json()
    curve = report["recovery"]["curve"]
    assert [one["step"] for one in curve] == [0, 1, 2, 3]
    for name in ("step", "loss", "held_out_loss"):
        assert [one[name] for one in followed] == [one[name] for one in curve]
    client.jobs.download(job.id, tmp_path)
    assert zeros(tmp_path) == pytest.approx(0.5, abs=1e-3)
    assert not [path for path in tmp_path.rglob(".*") if path.is_dir()]


def zeros(folder: Path) -> float:
    """Return the sparsity of the matrices of the blocks."""
    shards = [load_file(path) for path in folder.rglob("*.safetensors")]
    matrices = [
        tensor
        for shard in shards
        for name, tensor in shard.items()
        if ".layers." in name and tensor.ndim == 2
    ]
    return sum(int((one == 0).sum()) for one in matrices) / sum(one.size for one in matrices)


def test_a_gate_may_bound_the_accuracy_on_a_task_of_the_harness_and_on_own_questions(
    client: Client, service: Service, tmp_path: Path
) -> None:
    row = {"question": "The fox is", "choices": ["quick", "lazy"], "answer": "quick"}
    (tmp_path / "own.jsonl").write_text(2 * (json.dumps(row) + "\n"))
    own = run(service, "datasets", "upload", str(tmp_path / "own.jsonl")).stdout.strip()
    options = ["--dataset", "local:text.txt", "--sparsity", "0.5", "--samples", "4"]
    options += ["--tasks", "sums", "--tasks", own, "--task-limit", "20", "--json"]
    bounds = ["--gate-min", f"acc.{own}=0", "--gate-max", "acc_drop.sums=-1"]
    bounds += ["--gate-confidence", "0.95"]
    submitted = run(service, "submit", "local:tiny", *options, *bounds)
    assert submitted.returncode == 0, submitted.stderr

    job = client.jobs.wait(json.loads(submitted.stdout)["id"], timeout_s=DEADLINE_S)

    assert job.status == "succeeded", job.error
    assert job.result is not None
    assert set(job.result["acc"]) == {"sums", own}
    assert job.verdict == "fail"
    (failure,) = job.gate_failures
    assert (failure.metric, failure.got) == ("acc_drop.sums", job.result["acc_drop"]["sums"])
    assert failure.interval is not None
    assert failure.interval.low > -1
    log = "\n".join(line.message for line in client.jobs.logs(job.id))
    assert "task sums: dense acc" in log


def test_a_task_that_cannot_be_scored_fails_the_job_before_it_prunes(client: Client) -> None:
    job = client.jobs.wait(
        submit(client, "tiny", samples=4, tasks=["essay"]).id, timeout_s=DEADLINE_S
    )
    assert job.status == "failed"
    assert job.error is not None
    assert (job.error.code, job.error.retryable) == ("unusable_task", False)
    assert "generates text" in job.error.detail
    assert "pruning" not in [one["name"] for one in job.phases]


def test_the_command_line_submits_follows_and_downloads(service: Service, tmp_path: Path) -> None:
    words = (
        "--sparsity",
        "0.5",
        "--dataset",
        "local:text.txt",
        "--samples",
        "4",
        "--seq-len",
        "64",
    )
    submitted = run(service, "submit", "local:tiny", *words)
    assert submitted.returncode == 0, submitted.stderr
    job_id = submitted.stdout.strip()

    assert run(service, "wait", job_id, "--timeout", str(DEADLINE_S)).returncode == 0
    downloaded = run(service, "download", job_id, str(tmp_path))

    assert str(tmp_path / "config.json") in downloaded.stdout.splitlines()


def test_a_start_prints_the_address_and_the_data_folder_and_nothing_else(
    shared_service: Service,
) -> None:
    assert shared_service.first_output.splitlines() == [
        f"Z-Pruner is ready at {shared_service.url}",
        f"Its data folder is {shared_service.data_dir}",
    ]


def test_a_running_job_stops_soon_after_its_cancellation(client: Client) -> None:
    job = submit(client, "slow", samples=128)
    until(client, job.id, is_in_the_middle)

    client.jobs.cancel(job.id)
    ended = client.jobs.wait(job.id, timeout_s=DEADLINE_S)

    assert ended.status == "cancelled"
    assert len(client.jobs.blocks(job.id)) < SLOW.blocks
    assert client.jobs.artifacts(job.id) == []


def test_a_folder_outside_the_allowed_roots_is_refused(
    client: Client,
) -> None:
    before = len(client.jobs.list())

    with pytest.raises(ProblemError, match="/etc") as caught:
        client.jobs.create("local:/etc", 0.5, "local:text.txt")

    assert caught.value.problem.status == 422
    assert len(client.jobs.list()) == before
