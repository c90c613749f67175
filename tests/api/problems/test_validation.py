"""The texts of validation errors."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from pydantic import ValidationError
from pydantic_core.core_schema import ErrorType

from api.problems.validation import REMEDIES, DescribedError, describe
from api.routes.jobs import jobs
from api.schemas.requests import JobRequest
from db.spec.field_errors import REASONS

ROOT = Path(__file__).parents[3]
FACTS = re.compile(r"'[^']*'|\d+(?:\.\d+)?")
"""The names and numbers in a message."""
SMALLEST = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}
OF_PYTHON = re.compile(
    r"\b(tuple|dict|dictionary|None|True|False|datetime\.|function|validation)\b|\[key\]"
)
WRONG: tuple[Any, ...] = (
    *(None, True, 1.5, 7, -3, "x", "", [], {}, [None], {"a": True}, [[1]], ["x", 3], {"": {}}),
    *("9999-01-01T00:00:00Z", "2026-01-05", 10**30, ["c4"] * 2000, [0.5] * 2000, ["x"], [1]),
    {f"a{number}": "x" for number in range(100)},
)


def errors(**fields: Any) -> Iterator[DescribedError]:
    """Describe what is wrong with a job of these fields."""
    routes = [one for one in jobs.router.routes if isinstance(one, APIRoute)]
    route = next(one for one in routes if "POST" in (one.methods or ()))
    try:
        JobRequest.model_validate(SMALLEST | fields)
    except ValidationError as refused:
        for error in refused.errors():
            yield describe(error | {"loc": ("body", *error["loc"])}, route)


def own_reasons() -> Iterator[tuple[str, str]]:
    """Yield the type and the reason of each error that our code makes of a request's field."""
    for folder in ("api", "db/spec"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "PydanticCustomError":
                    kind, reason = node.args[:2]
                    if isinstance(kind, ast.Constant):
                        yield str(kind.value), ast.unparse(reason)


def test_every_kind_of_error_has_a_reason_and_a_remedy_that_do_not_repeat_each_other() -> None:
    types = get_args(ErrorType)
    reasons = {kind: REASONS[kind] for kind in REMEDIES if kind in types}
    own = dict(own_reasons())
    assert len(reasons) > 20
    assert len(own) > 20
    for kind, reason in (reasons | own).items():
        assert "should" not in reason, f"{kind} gives the remedy as the reason"
        assert not set(FACTS.findall(reason.strip("'"))) & set(FACTS.findall(REMEDIES[kind]))


@pytest.mark.parametrize("field", JobRequest.model_fields)
def test_a_message_has_the_field_the_value_and_each_sentence_once(field: str) -> None:
    for value in WRONG:
        for one in errors(**{field: value}):
            named, _, rest = one.problem.detail.partition(": ")
            assert named.partition(" ")[0] == one.problem.pointer[1:].replace("/", ".").replace(
                "~1", "/"
            )
            sentences = re.split(r"(?<=[.?]) ", rest)
            assert len(sentences) >= 2
            assert len(sentences) == len(set(sentences))
            facts = FACTS.findall(rest.removesuffix(one.remedy))
            assert not set(facts) & set(FACTS.findall(one.remedy)), rest


@pytest.mark.parametrize("field", JobRequest.model_fields)
def test_no_message_speaks_of_python_and_each_has_a_remedy(field: str) -> None:
    for value in WRONG:
        for one in errors(**{field: value}):
            told = f"{one.problem.pointer} {one.problem.detail}"
            assert not OF_PYTHON.search(told), told
            assert "/docs shows" not in one.remedy, told


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({"method": "Wanda"}, "wanda"),
        ({"method": "sparsgpt"}, "sparsegpt"),
        ({"preset": "balance"}, "balanced"),
        ({"solver": "ADMM"}, "admm"),
        ({"recover": "mask-lora"}, "mask_lora"),
        ({"quantize": "w4a8"}, "w4a16"),
        ({"dtype": "bf16"}, "bfloat16"),
        ({"propagation": "Fused"}, "fused"),
    ],
)
def test_a_value_that_was_nearly_right_is_recognised(fields: dict[str, Any], meant: str) -> None:
    (error,) = errors(**fields)
    assert error.remedy.startswith(f"Did you mean {meant}? ")


@pytest.mark.parametrize(
    ("fields", "remedy"),
    [
        ({"sparsity": 50}, "Write 0.5 for 50 %. Use a value below 1"),
        ({"method": "heads", "ratio": 12.5}, "Write 0.125 for 12.5 %. Use a value below 1"),
        ({"sparsity": 1}, "Use a value below 1"),
        ({"min_memory_gb": 8 * 10**10}, "Write 80 for 80,000,000,000 bytes. Use a value of at"),
        ({"min_memory_gb": 10**400}, "Use a"),
        ({"target": {"parameters": "9" * 400}}, "Use a value of at most 4611686018427387904"),
        ({"target": f"context={'9' * 5000}, memory=5GB"}, "Use a smaller whole number"),
        ({"skip": "*.o_proj"}, 'Write ["*.o_proj"]. Use a list.'),
        ({"tasks": "arc_easy"}, 'Write ["arc_easy"]. Use a list.'),
        ({"deadline": "3000-01-01T00:00:00Z"}, "Use a time from 1970-01-01T00:00:00Z on and"),
    ],
)
def test_a_remedy_repeats_the_value_as_it_should_be(fields: dict[str, Any], remedy: str) -> None:
    (error,) = errors(**fields)
    assert error.remedy.startswith(remedy)


def test_only_a_body_that_is_no_object_is_answered_with_its_content_type(
    client: TestClient,
) -> None:
    whole = client.post("/v1/jobs", json=[])
    assert whole.json()["hint"] == "Send one JSON object, and Content-Type: application/json."
    for part in ({"gate": "x"}, {"mix": [1]}):
        assert client.post("/v1/jobs", json=SMALLEST | part).json()["hint"] == "Use a JSON object."


def test_values_are_quoted_as_json_has_them(client: TestClient) -> None:
    problem = client.post("/v1/jobs", json=SMALLEST | {"recover": True, "sparsity": None}).json()
    assert "recover true: " in problem["detail"]
    ratio = client.post("/v1/jobs", json=SMALLEST | {"method": "heads"}).json()
    assert ratio["detail"].startswith("ratio: method heads needs")  # there is no value to quote


def test_pointers_are_escaped_and_name_a_member_whose_name_is_wrong() -> None:
    (error,) = errors(labels={"a b/~ü": "x"})
    assert error.problem.pointer == "/labels/a b~1~0ü"
    assert error.problem.detail.startswith("labels.a b/~ü ")
