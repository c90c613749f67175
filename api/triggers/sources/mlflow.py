"""Webhooks of MLflow."""

from api.triggers.sources.signatures import is_signed
from api.triggers.sources.source import Example, Source

_HEADERS = "X-MLflow-Delivery-Id", "X-MLflow-Timestamp", "X-MLflow-Signature"

SOURCE = Source(
    label="MLflow",
    header="X-MLflow-Signature",
    proof="`X-MLflow-Signature` is `v1,` and the HMAC-SHA256 of "
    "`<X-MLflow-Delivery-Id>.<X-MLflow-Timestamp>.<body>` in base64",
    matches=lambda secret, call: is_signed(secret.encode(), _HEADERS, call),
    id_header="X-MLflow-Delivery-Id",
    example=Example(
        name="new versions",
        setup="Create a webhook for the event model_version.created with this address and this "
        "secret.",
        job={"sparsity": 0.5, "dataset": "wikitext2", "model": "our-org/our-model"},
        filter={"/entity": "model_version", "/action": "created"},
        map={"labels.model": "/data/name", "labels.version": "/data/version"},
        payload={
            "entity": "model_version",
            "action": "created",
            "timestamp": "2026-01-05T09:30:00Z",
            "data": {"name": "our-model", "version": "7", "source": "models:/our-model/7"},
        },
    ),
)
