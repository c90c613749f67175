"""The route of the Prometheus metrics."""

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

router = APIRouter(tags=["health"])

TEXT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Prometheus' text format, or OpenMetrics if `Accept` requests it.",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "application/openmetrics-text": {"schema": {"type": "string"}},
        },
    }
}


@router.get("/metrics", responses=TEXT, response_class=Response)
def get_metrics(request: Request) -> Response:
    """Return metrics of jobs, queues, workers and requests."""
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    body = encode(request.app.state.service.metrics.registry)
    return Response(body, headers={"content-type": media_type, "vary": "accept"})
