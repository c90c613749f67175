"""A job starts from the result of another one: from links, or from copies out of a bucket."""

import json
from typing import Any

import pytest
from sqlalchemy import update

from db.core.states import JobState
from db.jobs.estimates import EstimateRepository
from db.jobs.trials import TrialRepository
from db.spec.trials import TrialRequest
from db.tables.artifacts import Artifact
from db.tables.jobs import Job
from tests.factories import make_job, make_spec
from tests.worker.rows import read
from tests.worker.sources.served import SMALL, Service
from worker.estimates.estimator import compute_next


def content(service: Service, job: Job, name: str) -> Any:
    return json.loads(service.store.open(service.files(job)[name]).content())


def test_a_smaller_result_is_quantised_by_a_second_job_that_names_it(
    service: Service,
) -> None:
    first = service.run(method="neurons", ratio=0.2, sparsity=0.0)
    model = f"job:{first.id}"
    with service.sessions.begin() as session:
        spec = make_spec(**SMALL | {"model": model, "method": "none", "sparsity": 0.0})
        estimate, _ = EstimateRepository(session).find_or_create(spec, None)
    assert compute_next(service.sessions, service.settings)
    with service.sessions() as session:
        planned = EstimateRepository(session).get(estimate.id)

    second = service.run(model=model, method="none", sparsity=0.0, quantize="w8a16")

    made, written = service.files(first), service.files(second)
    assert first.result is not None
    assert second.result is not None
    assert second.result["dense_perplexity"] == pytest.approx(first.result["pruned_perplexity"])
    assert second.result["parameters"] == first.result["parameters"]
    assert planned.error is None
    assert planned.answer is not None
    assert planned.answer["model"]["parameters"] == first.result["parameters"]
    config = content(service, second, "config.json")
    assert (
        config["intermediate_size"] == content(service, first, "config.json")["intermediate_size"]
    )
    assert config["quantization_config"]
    assert set(written) == set(made)
    definition = content(service, second, "provenance.json")["predicate"]["buildDefinition"]
    [origin, *inputs] = definition["resolvedDependencies"]
    assert origin == {
        "name": "model",
        "digest": {},
        "uri": model,
        "annotations": {
            "SHA256SUMS": made["SHA256SUMS"].sha256,
            "model": "local:model",
            "jobs": [first.id],
        },
    }
    digests = {one["name"]: one["digest"]["sha256"] for one in inputs}
    assert {name for name in digests if name.startswith("model/")} == {
        f"model/{name}"
        for name in made
        if name.endswith((".json", ".safetensors"))
        and name not in {"report.json", "provenance.json", "model.safetensors.index.json"}
    }
    for name, digest in digests.items():
        if name.startswith("model/"):
            assert digest == made[name.removeprefix("model/")].sha256
    card = service.store.open(written["README.md"]).content().decode()
    assert f"is the result of the job `{first.id}`" in card
    assert str(service.settings.data_dir) not in card
    assert service.store.staged_jobs() == []


def test_a_pruned_result_is_recovered_and_then_tried_against_the_model_it_started_from(
    service: Service,
) -> None:
    first = service.run(method="magnitude")
    recover = {"kind": "masked", "tokens": 512, "kl": 0.67}
    second = service.run(model=f"job:{first.id}", method="none", sparsity=0.0, recover=recover)
    assert first.result is not None
    assert second.result is not None
    assert second.result["zeros"] == first.result["zeros"]
    third = service.run(model=f"job:{second.id}", method="magnitude", sparsity=0.7)
    assert content(service, third, "report.json")["model"]["lineage"] == {
        "model": "local:model",
        "jobs": [second.id, first.id],
    }
    with service.sessions.begin() as session:
        request = TrialRequest(prompt="The quick", max_tokens=2)
        trial = TrialRepository(session).add(third, request, 9)[1]
    service.runner.run(trial.id)
    tried = read(service.sessions, trial.id)
    assert tried.status is JobState.succeeded, tried.error
    assert set(tried.result or {}) == {"dense", "pruned"}


def test_a_result_that_is_gone_when_the_job_starts_fails_it_with_the_remedy(
    service: Service,
) -> None:
    first = service.run(method="magnitude")
    spec = make_spec(**SMALL | {"model": f"job:{first.id}", "method": "none", "sparsity": 0.0})
    jobs = [make_job(service.sessions, spec) for _ in range(3)]

    config = service.files(first)["config.json"]
    with service.sessions.begin() as session:  # as if other bytes were at its place
        wrong = update(Artifact).where(Artifact.id == config.id).values(sha256="0" * 64)
        session.execute(wrong)
    service.runner.run(jobs[0].id)
    service.store.retract(first.id, 1)
    service.runner.run(jobs[1].id)
    with service.sessions.begin() as session:
        session.execute(update(Artifact).values(deleted_by="old"))
    service.runner.run(jobs[2].id)

    errors = [read(service.sessions, job.id).error or {} for job in jobs]
    assert [error["code"] for error in errors] == ["result_gone"] * 3
    assert "its config.json" in errors[0]["detail"]
    assert "is missing" in errors[1]["detail"]
    assert "the retention rule old deleted its config.json" in errors[2]["detail"]
    assert all(f"zpruner rerun {first.id}" in error["hint"] for error in errors)
    assert not any(error["retryable"] for error in errors)
