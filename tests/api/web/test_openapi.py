import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from api.app import create_app
from api.core.settings import ApiSettings
from api.schemas.requests import JobRequest
from api.web.examples.schemas import EXAMPLES
from db.core.problem import Problem
from db.spec.catalogue import METHODS
from db.spec.metrics import METRIC_NAMES, OPTIONAL_METRICS
from db.spec.prune_spec import PruneSpec
from db.spec.pruning.presets import PRESETS
from tests.fakes import ListQueue

TABLES = ("jobs", "sweeps", "workers", "webhooks", "triggers", "use")


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Mapping[str, Any]:
    """The document, which is the same for every database and takes a second to make."""
    folder = tmp_path_factory.mktemp("openapi")
    database = shutil.copy(migrated_sqlite, folder / "zpruner.db")
    own = {"_env_file": None, "data_dir": folder, "database_url": f"sqlite:///{database}"}
    app = create_app(ApiSettings.model_validate(own), ListQueue())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        found: Mapping[str, Any] = client.get("/openapi.json").json()
    return found


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            yield f"{verb} {path}", operation


def test_the_document_is_valid_and_operation_ids_are_unique(document: Mapping[str, Any]) -> None:
    validate(document)
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch("[a-z_]+", one) for one in ids)
    assert all(operation["summary"] for _, operation in operations(document))


def test_the_document_lists_the_expected_routes(document: Mapping[str, Any]) -> None:
    assert {name for name, _ in operations(document)} == {
        "post /v1/jobs",
        "post /v1/cancel",
        "get /v1/jobs",
        "get /v1/jobs/{job_id}",
        "patch /v1/jobs/{job_id}",
        "delete /v1/jobs/{job_id}",
        "post /v1/jobs/{job_id}/pause",
        "post /v1/jobs/{job_id}/resume",
        "post /v1/jobs/{job_id}/cancel",
        "post /v1/jobs/{job_id}/retry",
        "post /v1/jobs/{job_id}/rerun",
        "post /v1/jobs/{job_id}/trials",
        "get /v1/jobs/{job_id}/trials",
        "get /v1/jobs/{job_id}/trials/{trial_id}",
        "get /v1/jobs/{job_id}/result",
        "get /v1/jobs/{job_id}/metrics",
        "get /v1/jobs/{job_id}/manifest",
        "get /v1/jobs/{job_id}/provenance",
        "get /v1/jobs/{job_id}/events",
        "get /v1/jobs/{job_id}/blocks",
        "get /v1/jobs/{job_id}/artifacts",
        "get /v1/jobs/{job_id}/archive",
        "head /v1/jobs/{job_id}/archive",
        "post /v1/jobs/{job_id}/archive/links",
        "get /v1/jobs/{job_id}/outputs",
        "post /v1/jobs/{job_id}/outputs/{index}/cancel",
        "post /v1/jobs/{job_id}/outputs/{index}/retry",
        "get /v1/artifacts/{artifact_id}/content",
        "head /v1/artifacts/{artifact_id}/content",
        "post /v1/artifacts/{artifact_id}/links",
        "get /v1/jobs/{job_id}/logs",
        "get /v1/jobs/{job_id}/queue",
        "get /v1/events",
        "get /v1/workers",
        "get /v1/use",
        *(f"get /v1/{name}.csv" for name in TABLES),
        "post /v1/workers/{worker_id}/drain",
        "post /v1/workers/{worker_id}/undrain",
        "get /v1/queues",
        "get /v1/queues/history",
        "get /v1/workers/history",
        "get /metrics",
        "get /v1/compare",
        "post /v1/sweeps",
        "get /v1/sweeps",
        "get /v1/sweeps/{sweep_id}",
        "post /v1/sweeps/{sweep_id}/cancel",
        "post /v1/estimates",
        "get /v1/estimates/{estimate_id}",
        "get /v1/methods",
        "get /v1/models",
        "get /v1/datasets",
        "post /v1/datasets",
        "get /v1/datasets/{dataset_id}",
        "delete /v1/datasets/{dataset_id}",
        "get /v1/me",
        "get /v1/keys",
        "post /v1/keys",
        "get /v1/keys/{key_id}",
        "patch /v1/keys/{key_id}",
        "delete /v1/keys/{key_id}",
        "post /v1/keys/{key_id}/rotate",
        "get /v1/secrets",
        "post /v1/secrets",
        "put /v1/secrets/{name}",
        "delete /v1/secrets/{name}",
        "get /v1/audit",
        "post /v1/webhooks",
        "get /v1/webhooks",
        "get /v1/webhooks/{webhook_id}",
        "patch /v1/webhooks/{webhook_id}",
        "delete /v1/webhooks/{webhook_id}",
        "post /v1/webhooks/{webhook_id}/rotate",
        "post /v1/webhooks/{webhook_id}/test",
        "get /v1/webhooks/{webhook_id}/deliveries",
        "get /v1/webhooks/{webhook_id}/deliveries/{delivery_id}",
        "post /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
        "post /v1/triggers",
        "get /v1/triggers",
        "get /v1/triggers/{trigger_id}",
        "patch /v1/triggers/{trigger_id}",
        "delete /v1/triggers/{trigger_id}",
        "post /v1/triggers/{trigger_id}/rotate",
        "post /v1/triggers/{trigger_id}/test",
        "get /v1/triggers/{trigger_id}/deliveries",
        "post /v1/hooks/{trigger_id}",
        "get /v1/storage",
        "get /v1/retention",
        "post /v1/retention/preview",
        "get /healthz",
        "get /readyz",
    }


def test_every_operation_documents_its_errors_as_problems(document: Mapping[str, Any]) -> None:
    for name, operation in operations(document):
        (content,) = operation["responses"]["default"]["content"].items()
        assert content[0] == "application/problem+json", name
        assert "422" not in operation["responses"], name
        Problem.model_validate(content[1]["example"])


def test_every_example_is_valid(document: Mapping[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        own = {**schema, "components": document["components"]}
        for example in schema.get("examples", []):
            Draft202012Validator(own).validate(example)
        for field, one in schema.get("properties", {}).items():
            for example in one.get("examples", []):
                part = {**one, "components": document["components"]}
                assert Draft202012Validator(part).is_valid(example), f"{name}.{field}"
    for example in document["components"]["schemas"]["JobRequest"]["examples"]:
        JobRequest.model_validate(example)


def answers(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every content of every answer that is not bytes of a file."""
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                if content["schema"].get("format") != "binary":
                    yield f"{name} {status} {media_type}", content


def test_every_response_has_a_valid_example(document: Mapping[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def examples(schema: dict[str, Any]) -> list[Any]:
        if "$ref" in schema:
            schema = schemas[schema["$ref"].rpartition("/")[2]]
        parts = schema.get("anyOf", ())
        return schema.get("examples", []) or [one for part in parts for one in examples(part)]

    checked = 0
    for name, content in answers(document):
        found = [content["example"]] if "example" in content else examples(content["schema"])
        assert found, name
        for example in found:
            own = {**content["schema"], "components": document["components"]}
            assert Draft202012Validator(own).is_valid(example), name
            checked += 1
    assert checked > 100


def names(operation: dict[str, Any]) -> set[str]:
    return {one["name"].lower() for one in operation.get("parameters", ()) if one["in"] == "header"}


def test_conditional_requests_and_preferences_are_documented(document: Mapping[str, Any]) -> None:
    conditional = {"cancel", "pause", "resume", "retry", ""}
    for action in conditional:
        path = f"/v1/jobs/{{job_id}}/{action}".rstrip("/")
        changes = {"post"} if action else {"patch", "delete"}
        for verb in changes:
            assert "if-match" in names(document["paths"][path][verb]), (verb, path)
    got = document["paths"]["/v1/jobs/{job_id}"]["get"]
    assert names(got) >= {"if-match", "if-none-match", "prefer"}
    for name, operation in operations(document):
        for status, response in operation["responses"].items():
            headers = set(response.get("headers", {})) if status != "default" else None
            if headers is not None and "prefer" in names(operation):
                assert "Preference-Applied" in headers, name
            if headers is not None and "if-none-match" in names(operation):
                assert "ETag" in headers, name


def test_operations_that_accept_or_return_a_job_have_an_example(
    document: Mapping[str, Any],
) -> None:
    schemas = document["components"]["schemas"]
    assert all(schemas[name]["examples"] for name in EXAMPLES)


OF_OUR_OWN = {"none", "neurons", "heads", "depth"}


def test_every_method_is_explained_with_the_schema_of_its_job(client: TestClient) -> None:
    answer = client.get("/v1/methods").json()
    methods = answer["data"]
    assert [one["name"] for one in methods] == [one.name for one in METHODS]
    assert {one["name"]: one["fields"] for one in answer["presets"]} == PRESETS
    assert answer["metrics"] == [*METRIC_NAMES, *chain(*OPTIONAL_METRICS.values())]
    for method in methods:
        Draft202012Validator.check_schema(method["options"])
        validator = Draft202012Validator(method["options"])
        job = {"model": "a/b", "sparsity": 0.5, "dataset": "c4"}
        for field in method["fields"]:
            assert PruneSpec.model_validate(job | {field: method["name"]})
        first = method["fields"][0]
        job[first] = method["name"]
        assert validator.is_valid(job)
        assert not validator.is_valid(job | {"sparsity": 1.2})
        assert not validator.is_valid(job | {first: "other"})
        assert all(method[key] for key in ("title", "summary", "when_to_use", "cost"))
        assert bool(method["source"]) == (method["name"] not in OF_OUR_OWN)
    default = next(method for method in methods if method["name"] == "zpruner")
    assert "wanda 61.4 in the same time" in default["when_to_use"]
