"""Triggers, and calls of them as each source makes them."""

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from typing import Any

import httpx2 as httpx
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from db.core.session import Sessions
from db.tables.jobs import Job

COMMIT = "c379e821c9c95d613899e8c4343e4bfee2b0c600"
JOB = {"sparsity": 0.5, "dataset": "wikitext2"}
PUSH: dict[str, Any] = {
    "event": {"action": "update", "scope": "repo.content"},
    "repo": {
        "type": "model",
        "name": "org/model",
        "headSha": COMMIT,
    },
}
TRIGGER: dict[str, Any] = {
    "name": "on push",
    "source": "generic",
    "job": JOB,
    "filter": {"/event/scope": ["repo", "repo.content"], "/repo/type": "model"},
    "map": {"model": "/repo/name", "labels.commit": "/repo/headSha"},
}
NO_SUCH = "trg_" + "0" * 32


def create(client: TestClient, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    """Make a trigger."""
    response = client.post("/v1/triggers", json=TRIGGER | fields, headers=headers)
    assert response.status_code == 201, response.text
    return response.json()


def proof(trigger: Any, body: bytes, at: float | None = None) -> dict[str, str]:
    """Return the headers that its source sends with a body; worked out here once more."""
    secret, moment = trigger["secret"], str(int(time.time() if at is None else at))
    match trigger["source"]:
        case "github":
            digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Delivery": "one"}
        case "huggingface":
            return {"X-Webhook-Secret": secret}
        case "mlflow":
            mac = hmac.new(secret.encode(), f"one.{moment}.".encode() + body, hashlib.sha256)
            signature = f"v1,{b64encode(mac.digest()).decode()}"
            names = ("X-MLflow-Delivery-Id", "X-MLflow-Timestamp", "X-MLflow-Signature")
            return dict(zip(names, ("one", moment, signature), strict=True))
        case "standard":
            key = b64decode(secret.removeprefix("whsec_"))
            mac = hmac.new(key, f"one.{moment}.".encode() + body, hashlib.sha256)
            signature = f"v1,c3RhbGU= v1,{b64encode(mac.digest()).decode()}"
            names = ("webhook-id", "webhook-timestamp", "webhook-signature")
            return dict(zip(names, ("one", moment, signature), strict=True))
        case _:
            return {"Authorization": f"Bearer {secret}"}


def jobs(sessions: Sessions) -> int:
    """Return how many jobs there are."""
    with sessions() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def deliveries(client: TestClient, trigger: Any) -> list[Any]:
    """Return the recorded calls of a trigger."""
    found: list[Any] = client.get(f"/v1/triggers/{trigger['id']}/deliveries").json()["data"]
    return found


def call(client: TestClient, trigger: Any, payload: Any = PUSH, **headers: str) -> httpx.Response:
    """Call a trigger as its source does; headers are named with underscores."""
    body = json.dumps(payload).encode()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(trigger["hook"], content=body, headers=proof(trigger, body) | given)
