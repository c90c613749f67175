"""A trial, answered by a runner with the files of a finished job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from db.core.session import Sessions
from db.core.states import JobState
from db.files.artifact_store import ArtifactStore
from db.files.artifacts import ArtifactRepository
from db.files.stored_file import LocalFile
from db.jobs.repository import JobRepository
from db.jobs.trials import TrialRepository
from db.spec.trials import TrialRequest
from db.tables.jobs import Job
from tests.factories import make_job, make_spec
from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.attempts.engine import prune
from worker.attempts.run import Runner

PROMPT = "The quick brown fox"
POSITIONS = 64


@pytest.fixture
def run(tmp_path: Path, runner: Callable[..., Runner]) -> Callable[[str], None]:
    """Return a function that runs one job with the real engine."""
    roots = dict.fromkeys(("model_roots", "dataset_roots"), (tmp_path,))
    return runner(prune, device="cpu", data_dir=tmp_path / "data", **roots).run


@pytest.fixture
def method() -> dict[str, Any]:
    """How the tried model was pruned."""
    return {"method": "magnitude"}


@pytest.fixture
def tried(
    tmp_path: Path, sessions: Sessions, run: Callable[[str], None], method: dict[str, Any]
) -> Job:
    write_model_and_tokenizer(tmp_path / "model", positions=POSITIONS)
    (tmp_path / "text.txt").write_text(f"{PROMPT} jumps over the lazy dog. " * 200)
    options = {"samples": 2, "eval_samples": 2, "seq_len": 16, "dtype": "float32"}
    names = {"model": "local:model", "dataset": "local:text.txt"}
    job = make_job(sessions, make_spec(**names, **options, **method))
    run(job.id)
    return read(sessions, job.id)


def read(sessions: Sessions, job_id: str) -> Job:
    with sessions() as session:
        return JobRepository(session).get(job_id)


def add(sessions: Sessions, tried: Job, **fields: Any) -> str:
    request = TrialRequest.model_validate({"prompt": PROMPT, "max_tokens": 16} | fields)
    with sessions.begin() as session:
        return TrialRepository(session).add(tried, request, 9)[1].id


def published(sessions: Sessions, store: ArtifactStore, job_id: str) -> Path:
    with sessions() as session:
        files = ArtifactRepository(session).of_job(job_id)
    [config] = [store.open(one) for one in files if one.name == "config.json"]
    assert isinstance(config, LocalFile)
    return config.path.parent


@pytest.mark.parametrize(
    "method",
    [
        {"method": "magnitude"},
        {"method": "depth", "ratio": 0.33, "sparsity": 0.0},
        {"method": "magnitude", "quantize": "w4a16"},
    ],
    ids=["zeros", "fewer blocks", "quantised"],
)
def test_the_answers_are_those_of_transformers_on_both_folders(
    tmp_path: Path,
    sessions: Sessions,
    store: ArtifactStore,
    run: Callable[[str], None],
    tried: Job,
) -> None:
    assert tried.status is JobState.succeeded, tried.error
    trial_id = add(sessions, tried)
    run(trial_id)

    answered = read(sessions, trial_id)
    assert answered.status is JobState.succeeded, answered.error
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    ids = tokenizer(PROMPT, return_tensors="pt")["input_ids"]
    expected = {}
    folders = {"dense": tmp_path / "model", "pruned": published(sessions, store, tried.id)}
    for name, folder in folders.items():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        written = model.generate(ids, max_new_tokens=16, do_sample=False, use_cache=False)
        expected[name] = tokenizer.decode(written[0, ids.shape[1] :])
    assert answered.result == expected
    assert expected["dense"] != expected["pruned"]
    assert (answered.size_bytes, store.staged_jobs()) == (0, [])
    assert trial_id not in store.published_jobs()
    assert published(sessions, store, tried.id).is_dir()


def test_a_seed_draws_the_same_tokens_again(
    sessions: Sessions, run: Callable[[str], None], tried: Job
) -> None:
    answers = []
    for seed in (1, 1, 2, None):
        trial_id = add(sessions, tried, seed=seed)
        run(trial_id)
        answers.append(read(sessions, trial_id).result)
    assert answers[0] == answers[1]
    assert answers[0] != answers[2] != answers[3]


def test_a_prompt_that_leaves_no_room_fails_with_the_room_there_is(
    sessions: Sessions, run: Callable[[str], None], tried: Job
) -> None:
    trial_id = add(sessions, tried, max_tokens=60)
    run(trial_id)
    error = read(sessions, trial_id).error or {}
    assert error["code"] == "unfit_combination"
    assert "the model can continue 1 to 4" in error["detail"]
    assert error["errors"][0]["pointer"] == "/prompt"


def test_files_that_were_deleted_while_the_trial_waited_fail_it(
    sessions: Sessions, store: ArtifactStore, run: Callable[[str], None], tried: Job
) -> None:
    first, second = add(sessions, tried), add(sessions, tried)
    path = published(sessions, store, tried.id) / "model.safetensors.index.json"
    path.unlink()
    run(first)
    error = read(sessions, first).error or {}
    assert (error["code"], error["retryable"]) == ("tried_files_deleted", False)
    assert "its file model.safetensors.index.json is missing" in error["detail"]
    with sessions.begin() as session:
        for one in ArtifactRepository(session).of_job(tried.id):
            one.deleted_by = "old"
    run(second)
    assert (
        "the retention rule old deleted its file" in (read(sessions, second).error or {})["detail"]
    )
    assert store.staged_jobs() == []
