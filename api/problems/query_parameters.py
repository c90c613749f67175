"""The query parameters of a route; under ``/v1/``, unknown ones are refused."""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel


async def refuse_unknown_parameters(request: Request) -> None:
    """Refuse query parameters that the route does not have; FastAPI would ignore them.

    Raises:
        RequestValidationError: the request has such a parameter.
    """
    route: APIRoute = request.scope["route"]
    if not request.scope["query_string"] or not route.path.startswith("/v1/"):
        return
    if any(True for _ in query_models(route)):
        return  # the model refuses them itself, and may accept more names than its fields
    given, known = request.query_params, query_names(route)
    unknown = [name for name in given if name not in known]
    if unknown:
        error = {"type": "extra_forbidden", "msg": "Extra inputs are not permitted"}
        raise RequestValidationError(
            [error | {"loc": ("query", name), "input": given[name]} for name in unknown]
        )


def query_names(route: APIRoute) -> list[str]:
    """Return the names of a route's documented query parameters."""
    names = [name for model in query_models(route) for name in model.model_fields]
    return names or [name for name, _ in _parameters(route.dependant)]


def query_models(route: APIRoute) -> Iterator[type[BaseModel]]:
    """Yield the pydantic models that hold a route's query parameters."""
    for _, kind in _parameters(route.dependant):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield kind


def _parameters(dependant: Dependant) -> Iterator[tuple[str, object]]:
    for parameter in dependant.query_params:
        yield parameter.alias, parameter.field_info.annotation
    for inner in dependant.dependencies:
        yield from _parameters(inner)
