"""The route that other systems call to start a trigger's job."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api.middleware.writers import run_writer
from api.routes.dependencies import ServiceDep, TriggerId
from api.schemas.triggers import HookAnswer
from api.triggers.deliveries import receive
from api.triggers.sources.registry import SOURCES
from api.triggers.sources.source import FORM

router = APIRouter(prefix="/v1/hooks", tags=["triggers"])
IGNORED: dict[int | str, dict[str, Any]] = {
    200: {"model": HookAnswer, "description": "The call was ignored; `reason` says why."}
}
PAYLOAD = {
    "requestBody": {
        "required": True,
        "description": "The payload of the trigger's source; only GitHub may send a form.",
        "content": {
            "application/json": {"schema": {}},
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"payload": {"type": "string", "description": "JSON."}},
                    "required": ["payload"],
                },
            },
        },
    }
}

_HEADERS = ", ".join(f"`{source.header}` for `{name}`" for name, source in SOURCES.items())
_DESCRIPTION = f"""\
Start a trigger's job, or ignore the call if it does not match the trigger's filter.

No API key is needed: the trigger's secret authenticates the call. The header with the
secret or the signature depends on the source: {_HEADERS}. A repeated delivery gets the
response to the first one and starts nothing, unless the first one was refused.\
"""


@router.post(
    "/{trigger_id}",
    status_code=202,
    response_model=HookAnswer,
    responses=IGNORED,
    openapi_extra=PAYLOAD,
    description=_DESCRIPTION,
)
async def receive_hook(trigger_id: TriggerId, service: ServiceDep, request: Request) -> Response:
    """Start a trigger's job, or ignore the call."""
    body = await request.body()
    return await run_writer(receive, service, request, trigger_id, body)
