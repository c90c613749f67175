"""The end of an earlier search is read from the result of a job, or from a local folder."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from db.core.errors import SpecRefusedError
from db.core.states import JobState
from db.tables.artifacts import Artifact
from tests.worker.sources.served import Service
from worker.sources.search_starts import local_start

FILE = "unit_probabilities.json"
PGP: dict[str, Any] = {"method": "pgp", "ratio": 0.3, "search_steps": 2, "sparsity": 0.0}


def test_a_job_starts_from_the_search_of_another_one_or_fails_with_the_remedy(
    service: Service,
) -> None:
    first = service.run(**PGP)
    second = service.run(**PGP, search_start=f"job:{first.id}")
    kept, written = service.files(first)[FILE], service.files(second)
    statement = json.loads(service.store.open(written["provenance.json"]).content())
    inputs = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert {
        "name": "search_start",
        "digest": {"sha256": kept.sha256},
        "annotations": {"search_start": f"job:{first.id}"},
    } in inputs

    def damage() -> None:
        with service.sessions.begin() as session:  # as if other bytes were at its place
            wrong = update(Artifact).where(Artifact.id == kept.id).values(sha256="0" * 64)
            session.execute(wrong)

    failed = [
        service.run(change, **PGP, search_start=f"job:{first.id}")
        for change in (damage, lambda: service.store.retract(first.id, 1))
    ]
    for job, reason in zip(failed, ("is damaged", "is missing"), strict=True):
        error = job.error or {}
        assert (job.status, error["code"]) == (JobState.failed, "result_gone")
        assert f"its {FILE} {reason}" in error["detail"]
        assert f"zpruner rerun {first.id}" in error["hint"]


def test_a_local_search_is_the_file_in_a_folder_or_a_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{}")
    of_folder, of_file = local_start(str(tmp_path)), local_start(f"local:{tmp_path / FILE}")
    assert of_folder.content == of_file.content == b"{}"
    assert (of_folder.name, of_file.name) == (f"local:{tmp_path.name}", f"local:{FILE}")


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("nowhere", "no_search", "nowhere cannot be read"),
        ("job:job_" + "0" * 32, "invalid_name", "only a service knows"),
    ],
)
def test_a_local_search_that_cannot_be_read_is_refused(name: str, code: str, reason: str) -> None:
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        local_start(name)
    assert (refused.value.field, refused.value.code) == ("search_start", code)
    assert refused.value.remedy
