"""Calls of triggers by other systems, which authenticate by the trigger's secret."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api.deps import ServiceDep, TriggerId
from api.middleware.writers import run_writer
from api.schemas.triggers import HookAnswer
from api.triggers.deliveries import FORM, receive

router = APIRouter(prefix="/v1/hooks", tags=["triggers"])
IGNORED: dict[int | str, dict[str, Any]] = {
    200: {"model": HookAnswer, "description": "Nothing was to be done; `reason` says why."}
}
PAYLOAD = {
    "requestBody": {
        "required": True,
        "description": "Whatever the trigger's source sends; the form is GitHub's alone.",
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


@router.post(
    "/{trigger_id}",
    status_code=202,
    response_model=HookAnswer,
    responses=IGNORED,
    openapi_extra=PAYLOAD,
)
async def receive_hook(trigger_id: TriggerId, service: ServiceDep, request: Request) -> Response:
    """Start a trigger's job, or ignore the call; without a key.

    The call proves itself as its source does: GitHub by `X-Hub-Signature-256`, Hugging Face by
    `X-Webhook-Secret`, MLflow by `X-MLflow-Signature`, Standard Webhooks by `webhook-signature`,
    others by `Authorization: Bearer` and the trigger's secret. The same delivery again is answered
    as the first time and starts nothing.
    """
    body = await request.body()
    return await run_writer(receive, service, request, trigger_id, body)
