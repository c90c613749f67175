import ast
import errno
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from api.problems.catalogue import FACES, PLAIN, PROBLEMS
from api.problems.explanations import EXPLANATIONS
from api.schemas.requests import JobRequest
from db.core.errors import JobError, NotFoundError
from worker.jobs.problems import overdue, problem_of
from worker.pruning.base.errors import (
    AllocationError,
    CheckpointError,
    DevicesError,
    NoRoomError,
    NotFiniteError,
    PatternError,
    PruningError,
    RankLostError,
    ShapeError,
    SkipError,
    SolverFailedError,
    UnknownMethodError,
    UnknownSolverError,
    UnsupportedModelError,
)

ROOT = Path(__file__).parents[3]


def subclasses(error: type[JobError]) -> set[type[JobError]]:
    return {error}.union(*(subclasses(one) for one in error.__subclasses__()))


def test_every_refusal_about_a_job_has_a_face() -> None:
    assert set(PROBLEMS) == subclasses(JobError) - {JobError, NotFoundError}


def test_no_two_kinds_of_problems_share_a_code() -> None:
    codes = [face.code for face in PROBLEMS.values()]
    assert len(codes) == len(set(codes))


def test_every_kind_of_problem_has_a_page(client: TestClient) -> None:
    assert set(FACES) <= set(EXPLANATIONS)
    for code in EXPLANATIONS:
        page = client.get(f"/problems/{code}")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert code in client.get("/problems").text


def test_a_page_gives_the_hint_as_well(client: TestClient) -> None:
    assert "make dashboard" in client.get("/problems/dashboard_not_built").text


MAKERS = r"([Rr]efused(Error)?|(?<!Field)[Pp]roblem|Face)$"
FIELDS = {*JobRequest.model_fields, "url", "out", "device"}
ON_THE_COMMAND_LINE = {"out_in_use", "out_exists", "unusable_out", "unknown_device"}
"""Whoever starts a worker's program reads its refusals, and follows no link."""


def codes_of_calls() -> set[str]:
    """Return every plain word that our source hands to what makes a refusal, problem or face."""
    found: set[str] = set()
    for folder in ("api", "db", "worker"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and re.search(MAKERS, ast.unparse(node.func)):
                    for given in (*node.args, *(one.value for one in node.keywords)):
                        found |= texts(given)
    words = {one for one in found if re.fullmatch("[a-z_]+", one)}
    return words - FIELDS - ON_THE_COMMAND_LINE - {face.code for face in PLAIN.values()}


def texts(given: ast.expr) -> set[str]:
    """Return the texts that an argument may be, where it says so itself."""
    if isinstance(given, ast.JoinedStr):
        written = ast.unparse(given)[2:-1]
        return {written.replace("{kind}", kind) for kind in ("model", "dataset")}
    return {str(given.value)} if isinstance(given, ast.Constant) else set()


def test_every_code_a_problem_can_have_has_a_page() -> None:
    codes = codes_of_calls()
    assert {"pickle_only", "custom_code", "dataset_not_found", "worker_lost"} <= codes
    assert codes <= set(EXPLANATIONS)


@pytest.mark.parametrize("code", ["unheard", "<script>", "%2e%2e", "%00"])
def test_a_problem_nobody_has_is_a_problem(client: TestClient, code: str) -> None:
    response = client.get(f"/problems/{code}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_every_way_a_job_can_fail_has_a_page() -> None:
    refused: list[PruningError] = [ShapeError(""), UnknownMethodError("", []), NotFiniteError("")]
    refused += [
        UnsupportedModelError(""),
        CheckpointError(""),
        PatternError(""),
        SkipError(""),
        AllocationError(""),
    ]
    refused += [UnknownSolverError("", []), SolverFailedError(""), NoRoomError(2, 1, "", None)]
    refused += [DevicesError("cuda", 2, 1), RankLostError("rank 1 of 2 was killed by SIGKILL")]
    assert {type(one) for one in refused} == set(PruningError.__subclasses__())
    broken = [MemoryError(), OSError(errno.ENOSPC, "full"), RuntimeError()]
    for raised in (*refused, *broken):
        assert problem_of(raised).code in EXPLANATIONS
    assert overdue(1).code in EXPLANATIONS
    assert "worker_lost" in EXPLANATIONS


def test_a_problem_names_where_it_happened_and_which_request(
    client: TestClient,
) -> None:
    path = "/v1/jobs/job_" + "0" * 32
    response = client.get(path, headers={"x-request-id": "one"})
    assert response.json() == {
        "type": "/problems/job_not_found",
        "title": "No such job",
        "status": 404,
        "detail": f"no job {path[9:]}",
        "code": "job_not_found",
        "instance": path,
        "request_id": "one",
        "retryable": False,
        "hint": "GET /v1/jobs lists the jobs there are.",
        "errors": [],
    }
