"""Prompts for both models of a finished job, through the whole service."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.e2e.embedded import Service, submit, until
from tests.waiting import DEADLINE_S
from zpruner import Client, Job

pytestmark = pytest.mark.e2e
PROMPT, TOKENS = "The quick brown fox", 24


def finished(client: Client, model: str) -> Job:
    options = {"method": "magnitude", "samples": 2, "eval_samples": 2, "dtype": "float32"}
    job = client.jobs.wait(submit(client, model, **options).id, timeout_s=DEADLINE_S)
    assert job.status == "succeeded", job.error
    return job


def continued(folder: Path, dense: Path) -> str:
    """Return what transformers generates with a folder's model, after the prompt."""
    tokenizer = AutoTokenizer.from_pretrained(dense)
    ids = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    written = model.generate(ids, max_new_tokens=TOKENS, do_sample=False, use_cache=False)
    text: str = tokenizer.decode(written[0, ids.shape[1] :])
    return text


def test_the_answers_are_those_of_transformers_on_the_dense_model_and_the_downloaded_files(
    client: Client, service: Service, inputs: Path, tmp_path: Path
) -> None:
    job = finished(client, "tiny")
    client.jobs.download(job.id, tmp_path)
    expected = [continued(folder, inputs / "tiny") for folder in (inputs / "tiny", tmp_path)]

    trial_id = client.jobs.create_trial(job.id, PROMPT, max_tokens=TOKENS).id
    client.jobs.wait(trial_id, timeout_s=DEADLINE_S)
    trial = client.jobs.trial(job.id, trial_id)
    command = [sys.executable, "-P", "-m", "zpruner", "try", job.id, PROMPT]
    command += ["--max-tokens", str(TOKENS)]
    shown = subprocess.run(
        command, env={"ZPRUNER_URL": service.url}, capture_output=True, text=True, check=False
    )

    assert trial.answer is not None, trial.error
    assert [trial.answer.dense, trial.answer.pruned] == expected
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout == f"dense: {PROMPT}{expected[0]}\npruned: {PROMPT}{expected[1]}\n"
    assert [one.answer for one in client.jobs.trials(job.id)] == [trial.answer] * 2
    assert trial.id not in [one.id for one in client.jobs.list()]
    assert client.jobs.artifacts(trial.id) == []


def test_a_running_trial_and_a_queued_one_are_cancelled(client: Client) -> None:
    job = finished(client, "slow")
    running = client.jobs.create_trial(job.id, PROMPT, max_tokens=256)
    queued = client.jobs.create_trial(job.id, PROMPT, max_tokens=256)
    until(client, running.id, lambda one: one.phase == "evaluating")
    assert client.jobs.trial(job.id, queued.id).queue_position == 1

    for one in (queued, running):
        client.jobs.cancel(one.id)
        assert client.jobs.wait(one.id, timeout_s=DEADLINE_S).status == "cancelled"
        assert client.jobs.trial(job.id, one.id).answer is None
