"""FastAPI's OpenAPI document, with problems, examples, headers and scopes added."""

from collections.abc import Iterator
from threading import Lock
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.core.problem_response import MEDIA_TYPE
from api.core.scopes import needed_for
from api.core.settings import ApiSettings
from api.web.examples.responses import CONTENTS, SCHEMAS
from api.web.examples.schemas import EXAMPLES
from db.core.problem import Problem

_REF = "#/components/schemas/{model}"
_CREATION = Lock()
"""Held while a document is created, which takes a second: of several requests, one creates it."""

RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "What went wrong, and what to change.",
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": _REF.format(model="Problem")},
                "example": {
                    "type": "/problems/invalid_request",
                    "title": "The request is not valid",
                    "status": 422,
                    "detail": "sparsity 1.2: is too large. Use a value below 1.",
                    "code": "invalid_request",
                    "instance": "/v1/jobs",
                    "request_id": "0192f0c17d1e7b0a8f6e5d4c3b2a1908",
                    "retryable": False,
                    "hint": "Use a value below 1.",
                    "errors": [
                        {
                            "pointer": "/sparsity",
                            "code": "less_than",
                            "detail": "sparsity 1.2: is too large. Use a value below 1.",
                        }
                    ],
                },
            }
        },
    }
}
"""The error responses of every operation, which share one schema."""


KEY = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "zpr_<id>_<secret>",
    "description": "A key of this service. Each operation names the scope that the key needs; "
    "`admin` is good for all of them.",
}


HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {
        "description": "The version that was answered, for `If-Match` and `If-None-Match`.",
        "schema": {"type": "string"},
    },
    "Preference-Applied": {
        "description": "`wait=N` as it was honoured, where `Prefer` asked for it.",
        "schema": {"type": "string"},
        "example": "wait=60",
    },
}
RESPONSE_HEADER_OF = {"if-none-match": "ETag", "prefer": "Preference-Applied"}
"""For each request header, the response header of the operations that accept it."""


def operation_id(route: APIRoute) -> str:
    """Name an operation after its function."""
    return route.name


def document(app: FastAPI, settings: ApiSettings) -> dict[str, Any]:
    """Return the application's OpenAPI document, which is created once."""
    with _CREATION:
        if app.openapi_schema is None:
            app.openapi_schema = _created(app, settings)
        return app.openapi_schema


def _created(app: FastAPI, settings: ApiSettings) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        routes=app.routes,
    )
    own = Problem.model_json_schema(ref_template=_REF)
    schemas = schema["components"]["schemas"]
    schemas |= own.pop("$defs") | {"Problem": own}
    _add_examples(schemas)
    for path, operation in _operations(schema):
        _complete_responses(path, operation)
    _add_security(schema, settings)
    return schema


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, verbs in schema["paths"].items():
        for operation in verbs.values():
            yield path, operation


def _add_examples(schemas: dict[str, Any]) -> None:
    """Add the examples to the schemas, pages included.

    FastAPI removes null values when it builds its document, so examples are added afterwards.
    """
    examples = {**EXAMPLES, **SCHEMAS}
    for name, example in examples.items():
        schemas[name]["examples"] = [example]
    for name, schema in schemas.items():
        if name.startswith("Page_"):
            of = schema["properties"]["data"]["items"]["$ref"].rpartition("/")[2]
            page = {"data": [examples[of]], "next_cursor": None, "has_more": False}
            schema["examples"] = [page]


def _complete_responses(path: str, operation: dict[str, Any]) -> None:
    """Add headers to an operation's responses, and examples to content without a named schema.

    Also remove ``application/json`` from responses of bytes, to which FastAPI adds it.
    """
    names = {parameter["name"].lower() for parameter in operation.get("parameters", ())}
    headers = {
        header: HEADERS[header] for asked, header in RESPONSE_HEADER_OF.items() if asked in names
    }
    for status, response in operation["responses"].items():
        if status == "default":
            continue
        if headers:
            response["headers"] = headers | response.get("headers", {})
        content = response.get("content", {})
        if len(content) > 1 and content.get("application/json") == {"schema": {}}:
            del content["application/json"]  # FastAPI adds it to a response of bytes
        for media_type, body in content.items():
            if (example := CONTENTS.get((path, media_type))) is not None:
                body["example"] = example


def _add_security(schema: dict[str, Any], settings: ApiSettings) -> None:
    """Add to each operation the scopes that the caller's key needs."""
    schema["components"]["securitySchemes"] = {"key": KEY}
    # On loopback a key is optional.
    otherwise: list[dict[str, Any]] = [] if settings.needs_keys else [{}]
    for path, verbs in schema["paths"].items():
        for verb, operation in verbs.items():
            needed = needed_for(verb.upper(), path)
            if needed is None:
                operation["security"] = []
            else:
                operation["security"] = [{"key": sorted(needed)}, *otherwise]
