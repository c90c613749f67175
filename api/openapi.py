"""The OpenAPI document: FastAPI's, with errors told as they are."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from api.examples import EXAMPLES
from api.problems import MEDIA_TYPE
from api.scopes import needed_for
from api.settings import ApiSettings
from db.problem import Problem

_REF = "#/components/schemas/{model}"

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
                    "detail": "sparsity 1.2: Input should be less than 1. Use a value below 1.0.",
                    "code": "invalid_request",
                    "instance": "/v1/jobs",
                    "request_id": "0192f0c17d1e7b0a8f6e5d4c3b2a1908",
                    "retryable": False,
                    "hint": "Use a value below 1.0.",
                    "errors": [
                        {
                            "pointer": "/sparsity",
                            "code": "less_than",
                            "detail": "sparsity 1.2: Input should be less than 1. "
                            "Use a value below 1.0.",
                        }
                    ],
                },
            }
        },
    }
}
"""Every operation's errors: one document for all."""


KEY = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "zpr_<id>_<secret>",
    "description": "A key of this service. Each operation names the scope that the key needs; "
    "`admin` is good for all of them.",
}


def operation_id(route: APIRoute) -> str:
    """Name an operation after its function."""
    return route.name


def document(app: FastAPI, settings: ApiSettings) -> dict[str, Any]:
    """Return the application's document; made once."""
    if app.openapi_schema is None:
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
        # Put in here, because FastAPI drops every null of what it is given.
        for name, example in EXAMPLES.items():
            schemas[name]["examples"] = [example]
        _tell_scopes(schema, settings)
        app.openapi_schema = schema
    return app.openapi_schema


def _tell_scopes(schema: dict[str, Any], settings: ApiSettings) -> None:
    """Write beside each operation what its key must be good for."""
    schema["components"]["securitySchemes"] = {"key": KEY}
    # On loopback an operation that takes a key does without one, too.
    otherwise: list[dict[str, Any]] = [] if settings.needs_keys else [{}]
    for path, verbs in schema["paths"].items():
        for verb, operation in verbs.items():
            needed = needed_for(verb.upper(), path)
            if needed is None:
                operation["security"] = []
            else:
                operation["security"] = [{"key": sorted(needed)}, *otherwise]
